"""The contract of a submission: load its folder, validate it, weigh its code.

Nothing of the submission is run or imported here. Every counted file is read once, without
following links; what was read is what is weighed, hashed and later mounted.
"""

import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import SubmissionError
from harness.evidence import Claim, FileFact, SubmissionFacts
from harness.sources import LARGEST_PARSED_BYTES, examine
from harness.storage import digest_of_named, sha256_of_bytes
from harness.toml import LARGEST_BYTES, parse_toml
from harness.track import LARGEST_SEGMENT, Track, problems_of

MANIFEST = "submission.toml"
CLAIMS = "submission.json"
LARGEST_CODE_BYTES = 64 << 20
LARGEST_CLAIMS_BYTES = 1 << 20
LARGEST_TOKENIZER_BYTES = 4 << 20
"""Ten times the field's largest tokenizer; a parser of foreign files is given no more."""
CONTRACT_VARIABLES = (
    "SEED",
    "DATA_PATH",
    "TOKENIZER_PATH",
    "VOCAB_SIZE",
    "OUTPUT_DIR",
    "MAX_WALLCLOCK_SECONDS",
    "WALLCLOCK_STARTED_AT",
    "RUN_ID",
)
_PLAIN_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"
_FUNCTION = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class About(_Section):
    """Who made it."""

    name: str = Field(min_length=1, max_length=200)
    author: str = Field(min_length=1, max_length=200)
    github_id: str = Field(min_length=1, max_length=100)


def _check_name(name: str) -> str:
    if not _FILE_NAME.fullmatch(name) or len(name) > 200:
        raise ValueError(
            f"{name[:80]!r} is not a plain relative path; expected letters, digits, "
            "'.', '_' and '-', separated by '/', inside the folder"
        )
    return name


class Code(_Section):
    """Exactly what is mounted, so exactly what is counted (``submission.toml`` too)."""

    files: tuple[str, ...] = Field(min_length=1, max_length=1000)

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        for name in files:
            _check_name(name)
        if len(set(files)) != len(files):
            raise ValueError("a file is listed twice")
        return files


class OwnTokenizer(_Section):
    """A tokenizer to use instead of the dataset's: a SentencePiece model, or pure bytes.

    ``model`` is a file of the folder; it is mounted and counted like those of ``[code]``.
    ``kind = "bytes"`` needs no file: ids 0 to 3 are special (BOS is 1), byte ``b`` is ``4 + b``.
    """

    model: str | None = None
    kind: Literal["bytes"] | None = None

    @field_validator("model")
    @classmethod
    def _plain_name(cls, model: str | None) -> str | None:
        return None if model is None else _check_name(model)

    @model_validator(mode="after")
    def _one_of_both(self) -> "OwnTokenizer":
        if (self.model is None) == (self.kind is None):
            raise ValueError('give either model = "FILE" or kind = "bytes"')
        return self


def _check_environment(environment: dict[str, str]) -> dict[str, str]:
    for name, value in environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{name[:80]!r} is not a name of an environment variable")
        if name in CONTRACT_VARIABLES:
            raise ValueError(f"{name} is set by the harness; remove it")
        if "\0" in value:
            raise ValueError(f"{name} holds a NUL character")
    return environment


class TrainOverride(_Section):
    """What a track changes of ``[train]``; ``env`` is laid over the general one."""

    command: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=100)
    env: dict[str, str] = Field(default_factory=dict)

    _environment = field_validator("env")(_check_environment)


class Train(_Section):
    """How to train. ``artifact`` is a plain file name under ``OUTPUT_DIR``.

    ``checkpoint`` names another file there, with the unquantised weights in a form that the
    loader reads too: optional, not counted, never scored as the result.
    """

    command: tuple[str, ...] = Field(min_length=1, max_length=100)
    artifact: str = Field(pattern=_PLAIN_NAME)
    checkpoint: str | None = Field(default=None, pattern=_PLAIN_NAME)
    env: dict[str, str] = Field(default_factory=dict)

    _environment = field_validator("env")(_check_environment)

    @model_validator(mode="after")
    def _two_files(self) -> "Train":
        if self.checkpoint == self.artifact:
            raise ValueError("checkpoint and artifact must be two files")
        return self


class ScoreOverride(_Section):
    """What a track changes of ``[score]``."""

    sequence_length: int | None = Field(default=None, ge=1, le=1 << 16, strict=True)
    stride: int | None = Field(default=None, ge=1, le=1 << 16, strict=True)
    segment: int | None = Field(default=None, ge=1, le=LARGEST_SEGMENT, strict=True)


class Score(_Section):
    """How to score: the loader, the tokens a window may hold, the new targets in each.

    ``describe`` names an optional function that lists the tensors of an artifact. The model of an
    ``adaptive`` submission observes each ``segment`` of so many targets after they were scored.
    """

    load: str = Field(pattern=_FUNCTION)
    describe: str | None = Field(default=None, pattern=_FUNCTION)
    sequence_length: int = Field(ge=1, le=1 << 16, strict=True)
    stride: int = Field(ge=1, le=1 << 16, strict=True)
    adaptive: bool = Field(default=False, strict=True)
    segment: int | None = Field(default=None, ge=1, le=LARGEST_SEGMENT, strict=True)

    @model_validator(mode="after")
    def _segment_if_adaptive(self) -> "Score":
        if self.adaptive and self.segment is None:
            raise ValueError(
                "adaptive = true needs segment = N: how many targets are scored before the model "
                f"observes them, 1 to {LARGEST_SEGMENT:,}"
            )
        if not self.adaptive and self.segment is not None:
            raise ValueError(
                f"segment = {self.segment} without adaptive = true: only an adaptive model "
                "observes segments; add adaptive = true or remove segment"
            )
        return self

    @model_validator(mode="after")
    def _stride_fits(self) -> "Score":
        if self.stride > self.sequence_length:
            raise ValueError(
                f"stride {self.stride} is larger than sequence_length {self.sequence_length}: "
                "some targets would never be scored"
            )
        return self


class TrackOverride(_Section):
    """``[tracks.NAME]``: what differs on that track."""

    train: TrainOverride = TrainOverride()
    score: ScoreOverride = ScoreOverride()


class Manifest(_Section):
    """``submission.toml``."""

    submission: About
    code: Code
    tokenizer: OwnTokenizer | None = None
    train: Train
    score: Score
    tracks: dict[str, TrackOverride] = Field(default_factory=dict)

    def on(self, track: str) -> tuple[Train, Score]:
        """``[train]`` and ``[score]`` as they hold on a track."""
        override = self.tracks.get(track, TrackOverride())
        train = self.train.model_copy(
            update={
                "command": override.train.command or self.train.command,
                "env": {**self.train.env, **override.train.env},
            }
        )
        score = Score(
            load=self.score.load,
            describe=self.score.describe,
            sequence_length=override.score.sequence_length or self.score.sequence_length,
            stride=override.score.stride or self.score.stride,
            adaptive=self.score.adaptive,
            segment=override.score.segment or self.score.segment,
        )
        return train, score


@dataclass(frozen=True)
class Submission:
    """A loaded submission; ``contents`` maps each counted file to its bytes."""

    folder: Path
    manifest: Manifest
    contents: dict[str, bytes]
    claim: Claim

    @property
    def code_bytes(self) -> int:
        """Bytes of all counted files, ``submission.toml`` included."""
        return sum(len(content) for content in self.contents.values())

    def counted_bytes(self, *, tokenizer_counted: bool) -> int:
        """``code_bytes``, less the model of its own tokenizer where the track leaves that out."""
        name = self.manifest.tokenizer.model if self.manifest.tokenizer else None
        given = len(self.contents[name]) if name and not tokenizer_counted else 0
        return self.code_bytes - given

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents of the counted files."""
        return digest_of_named(self.contents)

    def facts(self) -> SubmissionFacts:
        """What evidence keeps of the submission."""
        return SubmissionFacts(
            name=self.manifest.submission.name,
            author=self.manifest.submission.author,
            github_id=self.manifest.submission.github_id,
            folder=self.folder.name,
            digest=self.digest,
            files=tuple(
                FileFact(name=name, bytes=len(content), sha256=sha256_of_bytes(content))
                for name, content in sorted(self.contents.items())
            ),
            code_bytes=self.code_bytes,
            claim=self.claim,
        )


def load_submission(folder: Path) -> Submission:
    """Load and validate a submission folder.

    Raises:
        SubmissionError: the folder, a file or a field breaks the contract; the message names
            the file and the field, says what was expected and what to do.
    """
    try:
        found = folder.is_dir()
    except OSError as error:
        raise SubmissionError(
            f"{folder}: cannot be looked at: {error.strerror}; expected a readable folder"
        ) from error
    if not found:
        raise SubmissionError(
            f"{folder}: no such folder; expected a submission, a folder that holds {MANIFEST}"
        )
    folder = folder.resolve()
    toml = _read(folder, MANIFEST, limit_bytes=LARGEST_BYTES)
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate(parse_toml(toml))
        for track in manifest.tracks:
            manifest.on(track)
    except ValidationError as error:
        raise SubmissionError(f"{path}: " + "; ".join(problems_of(error))) from error
    except ValueError as error:
        raise SubmissionError(f"{path}: {error}") from error
    contents = {MANIFEST: toml}
    left = LARGEST_CODE_BYTES - len(toml)
    for name in manifest.code.files:
        contents[name] = _read(folder, name, limit_bytes=left)
        left -= len(contents[name])
    _read_tokenizer(folder, manifest, contents)
    _check_functions(path, manifest, contents)
    _check_commands(path, manifest, contents)
    return Submission(
        folder=folder,
        manifest=manifest,
        contents=contents,
        claim=_read_claim(folder),
    )


def check_on_track(submission: Submission, track: Track) -> None:
    """Hold a submission against what its track allows.

    Raises:
        SubmissionError: it is adaptive in a way that the track does not allow.
    """
    _, score = submission.manifest.on(track.name)
    if score.segment is None:
        return
    where = f"{submission.folder / MANIFEST}: score"
    if not track.adaptive.allowed:
        raise SubmissionError(
            f"{where}.adaptive: track {track.name} allows no adaptive model; expected false"
        )
    if score.segment < track.adaptive.least_segment:
        raise SubmissionError(
            f"{where}.segment: {score.segment:,} on track {track.name}; expected "
            f"{track.adaptive.least_segment:,} to {LARGEST_SEGMENT:,}"
        )


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
            f"{folder / MANIFEST}: tokenizer.model: {name} has {len(contents[name]):,} bytes; "
            f"expected a SentencePiece model of at most {LARGEST_TOKENIZER_BYTES:,}"
        )


def _read(folder: Path, name: str, *, limit_bytes: int) -> bytes:
    """The bytes of a regular file inside ``folder``, no link followed on the way."""
    where = folder / name
    field = "" if name in (MANIFEST, CLAIMS) else f" (named in {MANIFEST})"
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SubmissionError(
            f"{folder}: not readable ({error.strerror}); expected a folder that you may read"
        ) from error
    try:
        parts = PurePosixPath(name).parts
        for index, part in enumerate(parts):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            if index < len(parts) - 1:
                flags |= os.O_DIRECTORY
            try:
                inner = os.open(part, flags, dir_fd=descriptor)
            except FileNotFoundError:
                hint = "create it" if name == MANIFEST else "add the file or correct the name"
                raise SubmissionError(f"{where}: no such file{field}; {hint}") from None
            except OSError as error:
                raise SubmissionError(
                    f"{where}: a symbolic link, or not readable ({error.strerror}){field}; "
                    "expected a regular file inside the folder: copy the file itself there"
                ) from error
            os.close(descriptor)
            descriptor = inner
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError(f"{where}: not a regular file{field}; expected a regular file")
        content = b""
        if status.st_size <= limit_bytes:
            with os.fdopen(os.dup(descriptor), "rb") as file:
                content = file.read(limit_bytes + 1)
        if max(status.st_size, len(content)) > limit_bytes:
            over = max(status.st_size, len(content))
            limit = (
                f"all code files together may have {LARGEST_CODE_BYTES:,}, and "
                f"{LARGEST_CODE_BYTES - limit_bytes:,} were read before"
                if field
                else f"at most {limit_bytes:,} are read"
            )
            raise SubmissionError(f"{where}: {over:,} bytes{field}; {limit}")
        return content
    finally:
        os.close(descriptor)


def _check_functions(path: Path, manifest: Manifest, contents: dict[str, bytes]) -> None:
    load = "def {}(artifact: Path, device: torch.device)` that returns the model"
    _check_function(path, "score.load", manifest.score.load, contents, expected=load)
    if manifest.score.describe:
        describe = "def {}(artifact: Path, checkpoint: Path | None)` that lists its tensors"
        _check_function(
            path, "score.describe", manifest.score.describe, contents, expected=describe
        )


def _check_function(
    path: Path, field: str, named: str, contents: dict[str, bytes], *, expected: str
) -> None:
    module, _, function = named.partition(":")
    base = module.replace(".", "/")
    for name in (f"{base}.py", f"{base}/__init__.py"):
        if name in contents:
            break
    else:
        raise SubmissionError(
            f"{path}: {field}: module {module!r} is {base}.py, which [code] files does not "
            "list; list it or correct the name"
        )
    if len(contents[name]) > LARGEST_PARSED_BYTES:
        raise SubmissionError(
            f"{path}: {field}: {name} has {len(contents[name]):,} bytes; keep the loader's module "
            f"below {LARGEST_PARSED_BYTES:,}: move data and other code into files of their own"
        )
    defined = examine(path.parent / name, contents[name]).defined
    if function not in defined and "*" not in defined:
        raise SubmissionError(
            f"{path}: {field}: {name} defines no {function!r}; expected `"
            + expected.format(function)
        )


def _check_commands(path: Path, manifest: Manifest, contents: dict[str, bytes]) -> None:
    commands = {"train.command": manifest.train.command}
    for track, override in manifest.tracks.items():
        if override.train.command:
            commands[f"tracks.{track}.train.command"] = override.train.command
    for field, command in commands.items():
        for word in command:
            if "\0" in word:
                raise SubmissionError(f"{path}: {field}: holds a NUL character")
            if word.endswith(".py") and str(PurePosixPath(word)) not in contents:
                raise SubmissionError(
                    f"{path}: {field}: runs {word!r}, which [code] files does not list; "
                    "only listed files are mounted, so list it"
                )


def _read_claim(folder: Path) -> Claim:
    """Claims of ``submission.json``; a missing file claims nothing, a malformed one is an error."""
    path = folder / CLAIMS
    if not path.exists() and not path.is_symlink():
        return Claim()
    content = _read(folder, CLAIMS, limit_bytes=LARGEST_CLAIMS_BYTES)
    try:
        claims = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(claims, dict):
        raise SubmissionError(f"{path}: expected a JSON object of claims")
    size = _figure(path, claims, "bytes_total")
    return Claim(
        val_bpb=_figure(path, claims, "val_bpb"),
        bytes_total=None if size is None else int(size),
    )


def _figure(path: Path, claims: dict[str, object], key: str) -> float | None:
    value = claims.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        raise SubmissionError(f"{path}: {key}: expected a number of at least 0")
    return float(value)
