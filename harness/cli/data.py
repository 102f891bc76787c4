"""Commands about datasets."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from harness.cli.extras import require
from harness.cli.options import command, data_option, workers_option
from harness.errors import UsageError
from harness.safeio.output import say, tell


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    data = commands.add_parser("data", help="datasets", description="Datasets.")
    kinds = data.add_subparsers(required=True, metavar="COMMAND")
    demo = command(kinds, "demo", _data_demo, "build the demo dataset from Python's own library")
    demo.add_argument("--force", action="store_true", help="build it again")
    demo.add_argument("--quiet", action="store_true", help="say nothing when it is there already")
    data_option(demo)
    _data_commands(kinds)


def _data_commands(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fetch = command(kinds, "fetch", _data_fetch, "bring a dataset of the field, checked")
    fetch.add_argument("name", metavar="NAME", help="such as fineweb10B_sp1024")
    fetch.add_argument("--train-shards", type=int, metavar="N", help="at most so many (80)")
    fetch.add_argument(
        "--dest",
        type=Path,
        default=Path(os.environ.get("HARNESS_DATA", "data")),
        metavar="DIR",
        help="directory of the datasets; it goes to DIR/NAME (default: $HARNESS_DATA or data)",
    )
    fetch.add_argument("--revision", help="branch, tag or commit (default: that of the pins, main)")
    fetch.add_argument("--repository", metavar="OWNER/NAME", help="for a dataset not known here")
    fetch.add_argument("--folder", default="datasets", help="of its manifest.json there (datasets)")
    fetch.add_argument(
        "--train-documents",
        action="store_true",
        help="also the texts of the train shards, for tokenizers of one's own (a large file)",
    )
    fetch.add_argument("--documents", type=Path, metavar="FILE", help="raw documents, here already")
    fetch.add_argument("--pins", type=Path, metavar="FILE", help="what every file must be")

    verify = command(kinds, "verify", _data_verify, "check every token and byte of a dataset")
    verify.add_argument("directory", type=Path, metavar="DIR", help="of the dataset")

    tokenize = command(kinds, "tokenize", _data_tokenize, "make a dataset of documents")
    _documents_arguments(tokenize)
    tokenize.add_argument(
        "--dest",
        type=Path,
        required=True,
        metavar="DIR",
        help="the dataset; its last part is its name",
    )
    tokenize.add_argument(
        "--validation-documents", type=int, metavar="N", help="the first N are validation"
    )
    tokenize.add_argument(
        "--text",
        choices=("raw", "normalized"),
        default="raw",
        help="what validation documents must come back as, and bytes are counted of (%(default)s)",
    )
    workers_option(tokenize)
    tokenize.add_argument("--force", action="store_true", help="replace what is there")

    derived = command(kinds, "derived", _data_derived, "datasets made with entries' own tokenizers")
    derived.add_argument(
        "--remove",
        nargs="+",
        metavar="KEY",
        help="remove those whose key begins so, or all; what is in use stays",
    )
    derived.add_argument(
        "--limit-gigabytes", type=float, metavar="N", help="from now on keep at most N GB (decimal)"
    )
    derived.add_argument(
        "--limit-datasets", type=int, metavar="N", help="from now on keep at most N of them"
    )
    data_option(derived)

    weigh = command(kinds, "bytes", _data_bytes, "count bytes by table and by text, and compare")
    _documents_arguments(weigh)


def _documents_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "documents",
        type=Path,
        nargs="+",
        metavar="DOCS",
        help="files of JSON lines with a text each, .gz or not, in order; or a directory of "
        "docs_val and docs_train",
    )
    parser.add_argument(
        "--tokenizer",
        required=True,
        metavar="MODEL",
        help="a SentencePiece model, or bytes for the 260 pure-byte tokens",
    )


def _data_demo(options: argparse.Namespace) -> int:
    from harness.data.build.demo import build_demo
    from harness.data.format.dataset import DEMO_NAME
    from harness.report.live import print_steps

    if options.quiet and (options.data / DEMO_NAME).exists() and not options.force:
        build_demo(options.data)
        return 0
    require("sentencepiece")
    say("making the demo dataset from Python's own library, once: less than a minute")
    with print_steps() as progress:
        dataset = build_demo(options.data, force=options.force, progress=progress)
    facts = dataset.facts()
    tell(
        f"{dataset.directory}: {facts.train_tokens:,} train tokens, {facts.validation_tokens:,} "
        f"validation tokens of {facts.validation_documents} documents, "
        f"{facts.validation_bytes:,} bytes of text"
    )
    for name, bpb in facts.baselines.items():
        tell(f"  {name.replace('_', ' ')}: {bpb:.4f} BPB")
    return 0


def _data_fetch(options: argparse.Namespace) -> int:
    from harness.data.build.verifying import describe
    from harness.data.hub.fetching import fetch
    from harness.data.hub.repositories import TRAIN_SHARDS, Source, Wishes
    from harness.report.console import PatientConsole
    from harness.report.data import dataset_report, show_steps

    shards = TRAIN_SHARDS if options.train_shards is None else options.train_shards
    wishes = Wishes(
        source=Source(options.repository, options.folder) if options.repository else None,
        train_shards=shards,
        revision=options.revision,
        train_documents=options.train_documents,
        documents=options.documents,
        pins=options.pins,
    )
    with show_steps() as progress:
        dataset = fetch(options.name, options.dest, wishes, progress=progress, note=say)
        report = describe(dataset, progress=progress)
    PatientConsole(highlight=False).print(dataset_report(report))
    return 0


def _data_verify(options: argparse.Namespace) -> int:
    from harness.data.build.verifying import verify_dataset
    from harness.report.console import PatientConsole
    from harness.report.data import dataset_report, show_steps

    with show_steps() as progress:
        report = verify_dataset(options.directory, progress=progress)
    PatientConsole(highlight=False).print(dataset_report(report))
    return 0


def _data_tokenize(options: argparse.Namespace) -> int:
    from harness.data.build.building import TextLost
    from harness.data.build.tokenizing import document_files, tokenize_documents, tokenizer_at
    from harness.data.build.verifying import describe
    from harness.report.console import PatientConsole
    from harness.report.data import dataset_report, show_steps

    files, known = document_files(options.documents)
    count = known if options.validation_documents is None else options.validation_documents
    if count is None:
        raise UsageError("say how many of the documents are validation: --validation-documents N")
    tokenizer, tokenizer_name = tokenizer_at(options.tokenizer)
    with show_steps() as progress:
        try:
            dataset = tokenize_documents(
                files,
                tokenizer,
                options.dest.parent,
                name=options.dest.name,
                validation_documents=count,
                source=f"documents {', '.join(path.name for path in options.documents)}"[:1000],
                tokenizer_name=tokenizer_name,
                text=options.text,
                workers=options.workers,
                replace=options.force,
                progress=progress,
                note=say,
            )
        except TextLost as error:  # tokenizer and documents are the user's own here
            raise UsageError(error.detail, remedy=error.remedy) from error
        report = describe(dataset, progress=progress)
    PatientConsole(highlight=False).print(dataset_report(report))
    return 0


def _data_derived(options: argparse.Namespace) -> int:
    from harness.report.console import PatientConsole
    from harness.report.data import derived_report
    from harness.run.derived import clear, derived, kept, limits_of, set_limits

    root = derived(options.data)
    changes = {}
    if options.limit_gigabytes is not None:
        if not 0 < options.limit_gigabytes < 1e9:
            raise UsageError("--limit-gigabytes: expected a number above 0, such as 200")
        changes["bytes"] = max(1, round(options.limit_gigabytes * 1e9))
    if options.limit_datasets is not None:
        if options.limit_datasets < 1:
            raise UsageError("--limit-datasets: expected a whole number of at least 1")
        changes["datasets"] = options.limit_datasets
    if changes:
        set_limits(root, limits_of(root).model_copy(update=changes))
    if options.remove:
        everything = options.remove == ["all"]
        gone, stayed = clear(root, () if everything else options.remove)
        tell(f"removed {len(gone):,}, {sum(each.bytes for each in gone):,} bytes")
        for each in stayed:
            tell(f"in use, so it stays: {each.key}")
    PatientConsole(highlight=False).print(derived_report(kept(root), limits_of(root)))
    return 0


def _data_bytes(options: argparse.Namespace) -> int:
    from harness.data.build.byte_audit import weigh
    from harness.data.build.tokenizing import document_files, tokenizer_at
    from harness.report.console import PatientConsole
    from harness.report.data import show_steps, weighing_report

    files, _ = document_files(options.documents)
    tokenizer, _ = tokenizer_at(options.tokenizer)
    with show_steps() as progress:
        found = weigh(files, tokenizer, position=files.position, progress=progress)
    PatientConsole(highlight=False).print(weighing_report(found))
    return 0
