"""Checks that the functions and scripts named in ``submission.toml`` are in the listed files."""

from collections.abc import Collection
from pathlib import PurePosixPath

from harness.contest.submission import Submission, manifest_error
from harness.source_code.imports import LARGEST_PARSED_BYTES, examine


def check_functions(submission: Submission) -> None:
    """Check that listed files define the functions that are named; raises SubmissionError."""
    score = submission.manifest.score
    load = "def {}(artifact: Path, device: torch.device)` that returns the model"
    _check_function(submission, "score.load", score.load, expected=load)
    if score.describe:
        describe = "def {}(artifact: Path, checkpoint: Path | None)` that lists its tensors"
        _check_function(submission, "score.describe", score.describe, expected=describe)
    own = submission.manifest.tokenizer
    if own is not None and own.code:
        make = "def {}(model: Path | None)` that returns the tokenizer"
        _check_function(submission, "tokenizer.code", own.code, expected=make)


def file_of(module: str, names: Collection[str]) -> str | None:
    """The name of a listed file that is a module; None where none is."""
    base = module.replace(".", "/")
    files = (f"{base}.py", f"{base}/__init__.py")
    return next((file for file in files if file in names), None)


def is_seen(submission: Submission, named: str) -> bool:
    """Whether a function that is there can be seen without running the file."""
    module, _, function = named.partition(":")
    name = file_of(module, submission.contents)
    if name is None:
        return False
    return function in examine(submission.folder, name, submission.contents[name]).defined


def _check_function(submission: Submission, field: str, named: str, *, expected: str) -> None:
    contents = submission.contents
    module, _, function = named.partition(":")
    base = module.replace(".", "/")
    name = file_of(module, contents)
    if name is None:
        raise manifest_error(
            submission,
            field,
            f"module {module!r} is {base}.py, which [code] files does not list; list it or "
            "correct the name",
        )
    if len(contents[name]) > LARGEST_PARSED_BYTES:
        part = "tokenizer" if field == "tokenizer.code" else "loader"
        raise manifest_error(
            submission,
            field,
            f"{name} has {len(contents[name]):,} bytes; keep the {part}'s module "
            f"below {LARGEST_PARSED_BYTES:,}: move data and other code into files of their own",
        )
    source = examine(submission.folder, name, contents[name])
    if function not in source.defined and "*" not in source.defined and not source.dynamic:
        raise manifest_error(
            submission,
            field,
            f"{name} defines no {function!r}; expected `" + expected.format(function),
        )


def check_commands(submission: Submission) -> None:
    """Check that commands run only listed scripts; raises SubmissionError."""
    manifest = submission.manifest
    commands = {"train.command": manifest.train.command}
    for track, override in manifest.tracks.items():
        if override.train.command:
            commands[f"tracks.{track}.train.command"] = override.train.command
    for field, command in commands.items():
        for word in command:
            if "\0" in word:
                raise manifest_error(submission, field, "holds a NUL character")
            if word.endswith(".py") and str(PurePosixPath(word)) not in submission.contents:
                raise manifest_error(
                    submission,
                    field,
                    f"runs {word!r}, which [code] files does not list; only listed files are "
                    "mounted, so list it",
                )
