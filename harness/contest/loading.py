"""Loads a submission's folder, and validates what can be validated without a track.

Nothing of the submission is run or imported here. Every counted file is read once, without
following links; those same bytes are counted, hashed and later mounted.
"""

from pathlib import Path

from pydantic import ValidationError

from harness.contest.entry import Claim
from harness.contest.manifest import Manifest
from harness.contest.references import check_commands, check_functions
from harness.contest.submission import CLAIMS, MANIFEST, Submission
from harness.errors import SubmissionError
from harness.safeio.key_lines import TomlLines, line_of_json_key
from harness.safeio.parsing import (
    LARGEST_BYTES,
    ParseError,
    parse_json,
    parse_toml,
    problems_of,
)
from harness.safeio.reading import NotRegularError, TooLargeError, no_folder, read_inside
from harness.safeio.text import plain

LARGEST_CODE_BYTES = 64 << 20


LARGEST_CLAIMS_BYTES = 1 << 20


LARGEST_TOKENIZER_BYTES = 4 << 20
"""Ten times the field's largest tokenizer; we parse no larger file of a stranger."""


def load_submission(folder: Path) -> Submission:
    """Load and validate a submission folder.

    Raises:
        SubmissionError: the folder, a file or a field breaks the contract; it names file, line and
            field, says what was expected and what to do.
    """
    try:
        found = folder.is_dir()
    except OSError as error:
        raise SubmissionError(
            f"cannot be looked at: {error.strerror}; expected a readable folder",
            file="",
            within=folder,
        ) from error
    if not found:
        wanted = f"a submission, a folder that holds {MANIFEST}, such as submissions/naive_baseline"
        raise SubmissionError(
            no_folder(folder, expected=wanted),
            file="",
            within=folder,
        )
    folder = folder.resolve()
    toml = _read(folder, MANIFEST, limit_bytes=LARGEST_BYTES)
    manifest = _parse(folder, toml)
    contents = {MANIFEST: toml}
    left = LARGEST_CODE_BYTES - len(toml)
    for name in manifest.code.files:
        contents[name] = _read(folder, name, limit_bytes=left)
        left -= len(contents[name])
    _read_tokenizer(folder, manifest, contents)
    claims = _read_claims(folder)
    submission = Submission(folder, manifest, contents, _claim(folder, claims), claims)
    check_functions(submission)
    check_commands(submission)
    return submission


def _parse(folder: Path, toml: bytes) -> Manifest:
    part = ""
    try:
        manifest = Manifest.model_validate(parse_toml(toml))
        for track in manifest.tracks:
            part = f"tracks.{track}.score"
            manifest.on(track)
    except ValidationError as error:
        problems = problems_of(error, within=part, toml=toml)
        raise SubmissionError(file=MANIFEST, within=folder, problems=problems) from error
    except ParseError as error:
        raise SubmissionError(str(error), file=MANIFEST, within=folder, line=error.line) from error
    return manifest


def _read_tokenizer(folder: Path, manifest: Manifest, contents: dict[str, bytes]) -> None:
    """Count the model of the submission's own tokenizer among its files, listed or not."""
    name = manifest.tokenizer.model if manifest.tokenizer else None
    if name is None:
        return
    if name not in contents:
        left = LARGEST_CODE_BYTES - sum(len(content) for content in contents.values())
        contents[name] = _read(folder, name, limit_bytes=left)
    if manifest.tokenizer is not None and manifest.tokenizer.code:
        return  # its own code reads it, in a sandbox
    if name == MANIFEST or len(contents[name]) > LARGEST_TOKENIZER_BYTES:
        raise SubmissionError(
            f"{name} has {len(contents[name]):,} bytes; "
            f"expected a SentencePiece model of at most {LARGEST_TOKENIZER_BYTES:,}",
            file=MANIFEST,
            within=folder,
            line=TomlLines(contents[MANIFEST]).of("tokenizer.model"),
            field="tokenizer.model",
        )


def _read(folder: Path, name: str, *, limit_bytes: int) -> bytes:
    """The bytes of a regular file inside ``folder``, no link followed on the way."""
    field = "" if name in (MANIFEST, CLAIMS) else f" (named in {MANIFEST})"
    try:
        return read_inside(folder, name, limit_bytes=limit_bytes)
    except FileNotFoundError:
        hint = (
            "create it, or begin with one that runs: harness new"
            if name == MANIFEST
            else "add the file or correct the name"
        )
        raise SubmissionError(f"no such file{field}; {hint}", file=name, within=folder) from None
    except NotRegularError as error:
        if field and error.kind == "directory":
            raise _a_folder(folder, name) from error
        raise SubmissionError(
            f"not a regular file but a {error.kind}{field}; "
            "expected a regular file inside the folder: copy the file itself there",
            file=name,
            within=folder,
        ) from error
    except TooLargeError as error:
        limit = (
            f"all code files together may have {LARGEST_CODE_BYTES:,}, and "
            f"{LARGEST_CODE_BYTES - limit_bytes:,} were read before"
            if field
            else f"at most {limit_bytes:,} are read"
        )
        raise SubmissionError(
            f"{error.size_bytes:,} bytes{field}; {limit}", file=name, within=folder
        ) from error
    except OSError as error:
        at_fault = Path(error.filename or folder / name)  # or the folder, or a part of the way
        raise SubmissionError(
            f"not readable ({error.strerror}){field}; expected files and folders that you may read",
            file="" if at_fault == folder else str(at_fault.relative_to(folder)),
            within=folder,
        ) from error


def _a_folder(folder: Path, name: str) -> SubmissionError:
    """The error for a folder in the list of files: only files are mounted, each by its name."""
    try:
        inside = sorted(path.name for path in (folder / name).iterdir() if path.is_file())
    except OSError:
        inside = []
    first = next((each for each in inside if each.endswith(".py")), (inside or ["__init__.py"])[0])
    return SubmissionError(
        f"a folder (named in {MANIFEST}); list each of its files, such as "
        f'"{name.rstrip("/")}/{plain(first, 100)}"',
        file=name,
        within=folder,
    )


def _read_claims(folder: Path) -> bytes | None:
    path = folder / CLAIMS
    if not path.exists() and not path.is_symlink():
        return None
    return _read(folder, CLAIMS, limit_bytes=LARGEST_CLAIMS_BYTES)


def _claim(folder: Path, content: bytes | None) -> Claim:
    """Claims of ``submission.json``; a missing file claims nothing, a malformed one is an error."""
    if content is None:
        return Claim()
    try:
        claims = parse_json(
            content, limit_bytes=LARGEST_CLAIMS_BYTES, longest_text=LARGEST_CLAIMS_BYTES
        )
    except ParseError as error:
        raise SubmissionError(str(error), file=CLAIMS, within=folder, line=error.line) from error
    if not isinstance(claims, dict):
        raise SubmissionError("expected a JSON object of claims", file=CLAIMS, within=folder)

    def figure(key: str) -> float | None:
        value = claims.get(key)
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value < 1e15:
            raise SubmissionError(
                "expected a number of at least 0",
                file=CLAIMS,
                within=folder,
                line=line_of_json_key(content, key),
                field=key,
            )
        return float(value)

    size = figure("bytes_total")
    return Claim(val_bpb=figure("val_bpb"), bytes_total=None if size is None else int(size))
