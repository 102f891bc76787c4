"""A submission: load its folder, check it against the contract, count the bytes of its code.

Nothing of the submission is run or imported here. Every counted file is read once, without
following links; those same bytes are counted, hashed and later mounted.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from harness.contest.entry import Claim, Entry, Function, Score, Tokenizer, Train, file_facts
from harness.contest.manifest import Manifest
from harness.contest.track import LARGEST_SEGMENT, Track
from harness.errors import SubmissionError
from harness.safeio.files import digest_of_named
from harness.safeio.key_lines import TomlLines, line_of_json_key
from harness.safeio.parsing import (
    LARGEST_BYTES,
    ParseError,
    parse_json,
    parse_toml,
    problems_of,
)
from harness.safeio.reading import NotRegularError, TooLargeError, read_inside
from harness.source_code.imports import LARGEST_PARSED_BYTES, examine

MANIFEST = "submission.toml"
CLAIMS = "submission.json"
LARGEST_CODE_BYTES = 64 << 20
LARGEST_CLAIMS_BYTES = 1 << 20
LARGEST_TOKENIZER_BYTES = 4 << 20
"""Ten times the field's largest tokenizer; we parse no larger file of a stranger."""


@dataclass(frozen=True)
class Submission:
    """A loaded submission; ``contents`` maps each counted file to its bytes.

    ``claims`` is ``submission.json`` as it was read, which is not counted; None without one.
    """

    folder: Path
    manifest: Manifest
    contents: dict[str, bytes]
    claim: Claim
    claims: bytes | None = None

    @property
    def code_bytes(self) -> int:
        """Bytes of all counted files, ``submission.toml`` included."""
        return sum(len(content) for content in self.contents.values())

    def line_of(self, *keys: str) -> int | None:
        """The line of ``submission.toml`` on which the first of some dotted keys is given."""
        return TomlLines(self.contents[MANIFEST]).of(*keys)

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents of the counted files."""
        return digest_of_named(self.contents)

    def entry(self, track: str) -> Entry:
        """The submission as an entry on a track."""
        about, own = self.manifest.submission, self.manifest.tokenizer
        train, score = self.manifest.on(track)
        tokenizer = Tokenizer()
        if own is not None:
            tokenizer = Tokenizer(kind=own.kind or "model", file=own.model)
        return Entry(
            layout="submission",
            name=about.name,
            author=about.author,
            github_id=about.github_id,
            folder=self.folder.name,
            claim=self.claim,
            files=tuple(file_facts(self.contents)),
            digest=self.digest,
            tokenizer=tokenizer,
            train=Train(
                command=train.command,
                environment=train.env,
                artifact=train.artifact,
                checkpoint=train.checkpoint,
            ),
            score=Score(
                loader=Function(load=score.load, describe=score.describe),
                sequence_length=score.sequence_length,
                stride=score.stride,
                segment=score.segment,
            ),
        )


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
        raise SubmissionError(
            f"no such folder; expected a submission, a folder that holds {MANIFEST}",
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
    _check_functions(submission)
    _check_commands(submission)
    return submission


def check_on_track(submission: Submission, track: Track) -> None:
    """Compare a submission with what its track allows.

    Raises:
        SubmissionError: its windows are too long for the track to probe them, or it is adaptive
            in a way that the track does not allow.
    """
    _, score = submission.manifest.on(track.name)
    override = f"tracks.{track.name}.score"
    longest = track.probes.longest_sequence
    if score.sequence_length > longest:
        raise manifest_error(
            submission,
            "score.sequence_length",
            f"{score.sequence_length:,} on track {track.name}; expected at most {longest:,}, "
            "because each probe of its causality costs a window",
            given_as=f"{override}.sequence_length",
        )
    if score.segment is None:
        return
    if not track.adaptive.allowed:
        raise manifest_error(
            submission,
            "score.adaptive",
            f"track {track.name} allows no adaptive model; expected false",
        )
    if score.segment < track.adaptive.least_segment:
        raise manifest_error(
            submission,
            "score.segment",
            f"{score.segment:,} on track {track.name}; expected "
            f"{track.adaptive.least_segment:,} to {LARGEST_SEGMENT:,}",
            given_as=f"{override}.segment",
        )


def manifest_error(
    submission: Submission, field: str, problem: str, *, given_as: str = ""
) -> SubmissionError:
    """The error for a key of ``submission.toml`` that has an impossible value.

    ``given_as`` is another key that may have set it, and is looked for first.
    """
    line = submission.line_of(*([given_as] if given_as else []), field)
    return SubmissionError(problem, file=MANIFEST, within=submission.folder, line=line, field=field)


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
        hint = "create it" if name == MANIFEST else "add the file or correct the name"
        raise SubmissionError(f"no such file{field}; {hint}", file=name, within=folder) from None
    except NotRegularError as error:
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


def _check_functions(submission: Submission) -> None:
    score = submission.manifest.score
    load = "def {}(artifact: Path, device: torch.device)` that returns the model"
    _check_function(submission, "score.load", score.load, expected=load)
    if score.describe:
        describe = "def {}(artifact: Path, checkpoint: Path | None)` that lists its tensors"
        _check_function(submission, "score.describe", score.describe, expected=describe)


def _check_function(submission: Submission, field: str, named: str, *, expected: str) -> None:
    contents = submission.contents
    module, _, function = named.partition(":")
    base = module.replace(".", "/")
    for name in (f"{base}.py", f"{base}/__init__.py"):
        if name in contents:
            break
    else:
        raise manifest_error(
            submission,
            field,
            f"module {module!r} is {base}.py, which [code] files does not list; list it or "
            "correct the name",
        )
    if len(contents[name]) > LARGEST_PARSED_BYTES:
        raise manifest_error(
            submission,
            field,
            f"{name} has {len(contents[name]):,} bytes; keep the loader's module "
            f"below {LARGEST_PARSED_BYTES:,}: move data and other code into files of their own",
        )
    defined = examine(submission.folder, name, contents[name]).defined
    if function not in defined and "*" not in defined:
        raise manifest_error(
            submission,
            field,
            f"{name} defines no {function!r}; expected `" + expected.format(function),
        )


def _check_commands(submission: Submission) -> None:
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
