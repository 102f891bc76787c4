"""Commands; no logic. Every command imports what it needs when it runs, so help stays fast."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError, UsageError
from harness.guard import EXIT_INCONCLUSIVE, EXIT_REJECTED, guarded, say, tell

if TYPE_CHECKING:
    from rich.console import Console

    from harness.sandbox.choice import SandboxChoice
    from harness.sandbox.protocol import Sandbox
    from harness.track import Track
    from harness.verdict import Verdict

_LARGEST_SEED_DIGITS = 10


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 verified or rehearsed, 1, 2, 3 or 130."""
    return guarded(lambda: _run(arguments))


def _run(arguments: list[str] | None) -> int:
    options = _parser().parse_args(arguments)
    for name, value in vars(options).items():
        if isinstance(value, Path):
            _require_utf8(name, value)
    for name in ("json", "svg"):
        path = getattr(options, name, None)
        if path is not None and str(path) != "-":
            _require_writable(f"--{name}", Path(path))
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


def _require_utf8(name: str, path: Path) -> None:
    """Evidence is JSON and mounts are told to the engine in JSON: both hold text, not bytes."""
    try:
        os.path.realpath(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{name} {path}: the path is not UTF-8; rename it") from error


def _require_writable(option: str, path: Path) -> None:
    """Found out now, not when hours of work are to be written."""
    try:
        writable = os.access(path.parent, os.W_OK | os.X_OK) and path.parent.is_dir()
        replaceable = path.is_file() or not path.exists()
    except OSError:
        writable = False
    if not writable or not replaceable:
        raise UsageError(
            f"{option} {path}: cannot be written; name a file in a directory that exists and "
            "that you may write to"
        )


def _parser() -> argparse.ArgumentParser:
    from harness import __version__

    parser = argparse.ArgumentParser(
        prog="harness",
        description="The referee for Parameter Golf: trains, seals, weighs, re-scores and "
        "judges a submission.",
        epilog="exit codes: 0 verified or rehearsed, 1 rejected, 2 wrong usage or malformed "
        "input, 3 inconclusive (our side), 130 interrupted (resumable)",
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    verify = _command(commands, "verify", _verify, "run a submission and judge it")
    verify.add_argument("submission", type=Path, help="folder of the submission")
    _track_option(verify, "auto")
    _sandbox_option(verify)
    verify.add_argument(
        "--seeds", default="auto", help="auto (drawn), or numbers such as 1,2,3: never a record"
    )
    _runs_option(verify)
    verify.add_argument(
        "--resume", action="store_true", help="finish the latest unfinished verification"
    )
    verify.add_argument(
        "--quantization-gap",
        action="store_true",
        help="also score the unquantised weights that training left, as information",
    )
    _data_option(verify)
    _json_option(verify)

    check = _command(commands, "check", _check, "judge what can be judged without running it")
    check.add_argument("submission", type=Path, help="folder of the submission")
    _track_option(check, "10min_16mb")

    rescore = _command(commands, "rescore", _rescore, "score sealed artifacts again, no training")
    rescore.add_argument("run", type=Path, metavar="RUN_DIR")
    _sandbox_option(rescore)
    _data_option(rescore)
    _json_option(rescore)

    inspect = _command(commands, "inspect", _inspect, "where the bytes of an artifact go")
    inspect.add_argument("artifact", type=Path, metavar="RUN_DIR|ARTIFACT")
    inspect.add_argument("--submission", type=Path, help="folder, when it is a lone artifact")
    _track_option(inspect, "smoke")
    _sandbox_option(inspect)
    inspect.add_argument("--json", metavar="PATH", help="also write it as JSON (-: stdout)")

    judge = _command(commands, "judge", _judge, "apply the rules to stored evidence; runs nothing")
    judge.add_argument("run", type=Path, metavar="RUN_DIR")
    judge.add_argument("--track", help="judge under this track instead of the one that was run")
    judge.add_argument("--svg", type=Path, metavar="PATH", help="also draw the scorecard as SVG")
    _json_option(judge)

    data = commands.add_parser("data", help="datasets", description="Datasets.")
    kinds = data.add_subparsers(required=True, metavar="COMMAND")
    demo = _command(kinds, "demo", _data_demo, "build the demo dataset from Python's own library")
    demo.add_argument("--force", action="store_true", help="build it again")
    demo.add_argument("--quiet", action="store_true", help="say nothing when it is there already")
    _data_option(demo)

    image = _command(commands, "image", _image, "build the sandbox image")
    image.add_argument("--base", default="", help="base image; see docker/README.md")
    image.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu")
    image.add_argument("--force", action="store_true", help="build every step again")

    doctor = _command(commands, "doctor", _doctor, "what is there, what is missing, how to cure it")
    _track_option(doctor, "auto")
    _data_option(doctor)
    _runs_option(doctor)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
    parser.set_defaults(command=function)
    return parser


def _track_option(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--track", default=default, help="name of a track, or a .toml file (default: %(default)s)"
    )


def _sandbox_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sandbox",
        choices=("docker", "process", "auto"),
        default="auto",
        help="docker isolates, process only rehearses; auto takes docker when an engine answers",
    )


def _runs_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="evidence (default: runs)"
    )


def _data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("HARNESS_DATA", "data")),
        metavar="DIR",
        help="directory of the datasets (default: $HARNESS_DATA or data)",
    )


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="PATH", help="also write the verdict as JSON (-: stdout)")


def _verify(options: argparse.Namespace) -> int:
    from harness.data.dataset import open_dataset
    from harness.hardware import machine, missing_for
    from harness.report.live import make_progress
    from harness.submission import load_submission
    from harness.verify import verify

    submission = load_submission(options.submission)
    seeds = _seeds(options.seeds)
    if options.resume and seeds:
        raise UsageError("--resume goes on with the seeds it was begun with: leave out --seeds")
    console = _console(options)
    track = _choose_track(options.track)
    here = machine(needs_accelerators=track.hardware.accelerators > 0)
    if missing := missing_for(track, here):
        raise InfrastructureError(
            f"this machine does not meet track {track.name}: {'; '.join(missing)}",
            remedy="run it on a machine that does, or rehearse with --track smoke",
        )
    dataset = open_dataset(options.data, track.dataset.name)
    progress = make_progress(console)
    try:
        sandbox = _choose_sandbox(options.sandbox, track, progress.note)
        verdict, _ = verify(
            submission,
            track,
            dataset,
            sandbox,
            runs=options.runs,
            seeds=seeds,
            resume=options.resume,
            quantization_gap=options.quantization_gap,
            progress=progress,
        )
    finally:
        progress.close()
    return _publish(verdict, options, console)


def _check(options: argparse.Namespace) -> int:
    from harness.precheck import precheck
    from harness.report.findings import show_findings
    from harness.submission import load_submission
    from harness.track import load_track

    submission = load_submission(options.submission)
    findings = precheck(submission, load_track(options.track))
    show_findings(findings, _console(options), title=str(options.submission))
    return EXIT_REJECTED if any(finding.status == "fail" for finding in findings) else 0


def _rescore(options: argparse.Namespace) -> int:
    from harness.data.dataset import open_dataset
    from harness.ledger import Ledger
    from harness.report.live import make_progress
    from harness.verify import rescore

    original = Ledger.open(options.run)
    console = _console(options)
    track = original.verification.track
    dataset = open_dataset(options.data, track.dataset.name)
    progress = make_progress(console)
    try:
        sandbox = _choose_sandbox(options.sandbox, track, progress.note)
        verdict, _ = rescore(original, dataset, sandbox, progress=progress)
    finally:
        progress.close()
    return _publish(verdict, options, console)


def _inspect(options: argparse.Namespace) -> int:
    from harness.inspection import inspect_file, inspect_run
    from harness.ledger import Ledger
    from harness.report.inspection import inspection_table
    from harness.submission import load_submission
    from harness.track import load_track

    console = _console(options)
    if options.artifact.is_dir():
        ledger = Ledger.open(options.artifact)
        sandbox = _choose_sandbox(options.sandbox, ledger.verification.track, console.print)
        sandbox.prepare()
        found = inspect_run(ledger, sandbox)
    elif options.submission:
        submission, track = load_submission(options.submission), load_track(options.track)
        sandbox = _choose_sandbox(options.sandbox, track, console.print)
        sandbox.prepare()
        found = inspect_file(options.artifact, submission, track, sandbox)
    else:
        raise UsageError(
            f"{options.artifact}: not a run directory; a lone artifact needs --submission FOLDER"
        )
    console.print(inspection_table(found))
    _write_json(found.model_dump_json(indent=2), options.json)
    return 0


def _judge(options: argparse.Namespace) -> int:
    from harness.ledger import Ledger
    from harness.report.terminal import export_svg
    from harness.storage import write_atomically
    from harness.track import load_track
    from harness.verify import judge_ledger

    track = load_track(options.track) if options.track else None
    verdict = judge_ledger(Ledger.open(options.run), track=track)
    if options.svg:
        write_atomically(options.svg, export_svg(verdict).encode())
    return _publish(verdict, options, _console(options))


def _data_demo(options: argparse.Namespace) -> int:
    from harness.data.dataset import DEMO_NAME
    from harness.data.demo import build_demo
    from harness.report.live import print_steps

    if options.quiet and (options.data / DEMO_NAME).exists() and not options.force:
        build_demo(options.data)
        return 0
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


def _image(options: argparse.Namespace) -> int:
    from functools import partial

    from harness.sandbox import image

    make = partial(image.build, force=True) if options.force else image.ensure
    note = partial(print, file=sys.stderr, flush=True)
    tell(" ".join(make(note, base=options.base or None, accelerator=options.accelerator)))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from harness.doctor import examine
    from harness.report.findings import show_findings

    track = _choose_track(options.track)
    findings = examine(track, data=options.data, runs=options.runs)
    show_findings(findings, _console(options), title=f"this machine, for track {track.name}")
    return EXIT_INCONCLUSIVE if any(finding.status == "fail" for finding in findings) else 0


def _choose_track(name: str) -> Track:
    """The named track; ``auto`` is the official one on a machine that meets it, else smoke."""
    from harness.hardware import machine, missing_for
    from harness.track import load_track

    if name != "auto":
        return load_track(name)
    official = load_track("10min_16mb")
    return load_track("smoke") if missing_for(official, machine()) else official


def _choose_sandbox(name: SandboxChoice, track: Track, note: Callable[[str], None]) -> Sandbox:
    from harness.sandbox.choice import choose

    return choose(name, track=track, note=note)


def _seeds(text: str) -> tuple[int, ...] | None:
    if text == "auto":
        return None
    words = [word.strip() for word in text.split(",")]
    short = all(word.isdecimal() and len(word) <= _LARGEST_SEED_DIGITS for word in words)
    seeds = tuple(int(word) for word in words) if short else ()
    if not short or max(seeds) >= 1 << 31:
        raise UsageError(f"--seeds {text[:100]}: expected auto, or numbers such as 1,2,3")
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"--seeds {text[:100]}: a seed is given twice")
    return seeds


def _console(options: argparse.Namespace) -> Console:
    """Where people read: stdout, or stderr when stdout carries the JSON."""
    from harness.report.console import PatientConsole

    return PatientConsole(stderr=getattr(options, "json", None) == "-", highlight=False)


def _publish(verdict: Verdict, options: argparse.Namespace, console: Console) -> int:
    from harness.report.terminal import scorecard
    from harness.rules import EXIT_CODES

    console.print(scorecard(verdict))
    try:
        _write_json(verdict.model_dump_json(indent=2), options.json)
    except InfrastructureError as error:
        if options.json == "-":
            raise
        say(f"the verdict stands, but could not be written as JSON: {error}")
    return EXIT_CODES[verdict.verdict]


def _write_json(content: str, path: str | None) -> None:
    from harness.storage import write_atomically

    if path == "-":
        tell(content)
    elif path:
        write_atomically(Path(path), content.encode() + b"\n")
