"""The contents of ``submission.toml``: the contract of a submission, as models.

``loading.py`` reads the folder.
"""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from harness.contest.entry import FunctionName, PlainName, check_file_name
from harness.contest.track import LARGEST_SEGMENT
from harness.models import Fact

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


class About(Fact):
    """Who made it."""

    name: str = Field(min_length=1, max_length=200)
    author: str = Field(min_length=1, max_length=200)
    github_id: str = Field(min_length=1, max_length=100)


class Code(Fact):
    """Exactly what is mounted, so exactly what is counted (``submission.toml`` too)."""

    files: tuple[str, ...] = Field(min_length=1, max_length=1000)

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        for name in files:
            check_file_name(name)
        if len(set(files)) != len(files):
            raise ValueError("a file is listed twice")
        return files


class OwnTokenizer(Fact):
    """A tokenizer to use instead of the dataset's: a SentencePiece model, pure bytes, or code.

    ``model`` is a file of the folder; it is mounted and counted like those of ``[code]``.
    ``kind = "bytes"`` needs no file: ids 0 to 3 are special (BOS is 1), byte ``b`` is ``4 + b``.
    ``code`` is a function of the listed files that makes the tokenizer, of ``model`` where there
    is one, which may then be any file.
    """

    model: str | None = None
    kind: Literal["bytes"] | None = None
    code: FunctionName | None = None

    @field_validator("model")
    @classmethod
    def _plain_name(cls, model: str | None) -> str | None:
        return None if model is None else check_file_name(model)

    @model_validator(mode="after")
    def _one_kind(self) -> "OwnTokenizer":
        if self.kind is not None and self.code is not None:
            raise ValueError('kind = "bytes" is built in and takes no code; remove one of them')
        if self.code is None and (self.model is None) == (self.kind is None):
            raise ValueError(
                'give either model = "FILE", kind = "bytes" or code = "MODULE:FUNCTION", the last '
                "with a model or without"
            )
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


class TrainOverride(Fact):
    """Changes of ``[train]`` for one track; ``env`` is merged into the general one."""

    command: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=100)
    env: dict[str, str] = Field(default_factory=dict)

    _environment = field_validator("env")(_check_environment)


class Train(Fact):
    """How to train. ``artifact`` is a plain file name under ``OUTPUT_DIR``.

    ``checkpoint`` names another file there, with the unquantized weights in a form that the
    loader reads too: optional, not counted, never scored as the result.
    """

    command: tuple[str, ...] = Field(min_length=1, max_length=100)
    artifact: PlainName
    checkpoint: PlainName | None = None
    env: dict[str, str] = Field(default_factory=dict)

    _environment = field_validator("env")(_check_environment)

    @model_validator(mode="after")
    def _two_files(self) -> "Train":
        if self.checkpoint == self.artifact:
            raise ValueError("checkpoint and artifact must be two files")
        return self


ROWS = 16
"""Documents that are open at once on each device, where a submission does not say."""
MOST_ROWS = 1024
MOST_ROW_TOKENS = 1 << 22
"""Most tokens that the windows of all rows may hold together: 64 rows of 65,536."""


class ScoreOverride(Fact):
    """Changes of ``[score]`` for one track."""

    sequence_length: int | None = Field(default=None, ge=1, le=1 << 16, strict=True)
    stride: int | None = Field(default=None, ge=1, le=1 << 16, strict=True)
    segment: int | None = Field(default=None, ge=1, le=LARGEST_SEGMENT, strict=True)
    rows: int | None = Field(default=None, ge=1, le=MOST_ROWS, strict=True)
    study_after: tuple[int, ...] | None = Field(default=None, max_length=100)


class Score(Fact):
    """How to score: the loader, the most tokens in a window, the new targets in each window.

    ``describe`` names an optional function that lists the tensors of an artifact. The model of an
    ``adaptive`` submission observes segments of ``segment`` targets, each after all of it was
    scored.

    With ``streams = "documents"`` each document is a stream of its own, ``rows`` of them are open
    at once on each device, and each step scores ``segment`` targets of every row. An adaptive model
    observes them, and studies the finished documents when there are as many as each number in
    ``study_after`` says.
    """

    load: FunctionName
    describe: FunctionName | None = None
    streams: Literal["corpus", "documents"] = "corpus"
    sequence_length: int = Field(ge=1, le=1 << 16, strict=True)
    stride: int | None = Field(default=None, validate_default=True, ge=1, le=1 << 16, strict=True)
    adaptive: bool = Field(default=False, strict=True)
    segment: int | None = Field(default=None, ge=1, le=LARGEST_SEGMENT, strict=True)
    rows: int | None = Field(default=None, ge=1, le=MOST_ROWS, strict=True)
    study_after: tuple[int, ...] = Field(default=(), max_length=100)

    @field_validator("stride")
    @classmethod
    def _given_for_one_stream(cls, stride: int | None, info: ValidationInfo) -> int | None:
        if stride is None and info.data.get("streams") == "corpus":
            raise ValueError("missing; expected how many new targets each window scores")
        return stride

    @model_validator(mode="after")
    def _fits_its_streams(self) -> "Score":
        problems = self._of_corpus() if self.streams == "corpus" else self._of_documents()
        if problem := next(problems, ""):
            raise ValueError(problem)
        return self

    def _of_corpus(self) -> Iterator[str]:
        if self.stride is not None and self.stride > self.sequence_length:
            yield (
                f"stride {self.stride} is larger than sequence_length {self.sequence_length}: "
                "some targets would never be scored"
            )
        if self.adaptive and self.segment is None:
            yield (
                "adaptive = true needs segment = N: how many targets are scored before the model "
                f"observes them, 1 to {LARGEST_SEGMENT:,}"
            )
        if not self.adaptive and self.segment is not None:
            yield (
                f"segment = {self.segment} without adaptive = true: only an adaptive model "
                "observes segments; add adaptive = true or remove segment"
            )
        for name, given in (("rows", self.rows is not None), ("study_after", self.study_after)):
            if given:
                yield (
                    f'{name} without streams = "documents": one stream has neither rows nor '
                    f'finished documents; add streams = "documents" or remove {name}'
                )

    def _of_documents(self) -> Iterator[str]:
        if self.segment is None:
            yield (
                'streams = "documents" needs segment = N: how many targets of each open document '
                "a step scores"
            )
        if self.stride is not None:
            yield (
                f'stride = {self.stride} with streams = "documents": each step scores segment '
                "targets of a document; remove stride"
            )
        if self.segment is not None and self.segment > self.sequence_length:
            yield (
                f"segment {self.segment} is larger than sequence_length {self.sequence_length}: a "
                "window could not show all targets that it scores"
            )
        tokens = (self.rows or ROWS) * self.sequence_length
        if tokens > MOST_ROW_TOKENS:
            yield (
                f"{self.rows or ROWS} rows of {self.sequence_length:,} tokens are {tokens:,}; a "
                f"step may hold {MOST_ROW_TOKENS:,}: take fewer rows or a shorter window"
            )
        if self.study_after and not self.adaptive:
            yield (
                "study_after without adaptive = true: a model that studies documents learns; add "
                "adaptive = true or remove study_after"
            )
        if list(self.study_after) != sorted({n for n in self.study_after if n > 0}):
            yield (
                f"study_after = {list(self.study_after)}: expected different numbers of finished "
                "documents from 1, in order"
            )


class TrackOverride(Fact):
    """``[tracks.NAME]``: what differs on that track."""

    train: TrainOverride = TrainOverride()
    score: ScoreOverride = ScoreOverride()


class Manifest(Fact):
    """``submission.toml``."""

    submission: About
    code: Code
    tokenizer: OwnTokenizer | None = None
    train: Train
    score: Score
    tracks: dict[str, TrackOverride] = Field(default_factory=dict)

    def on(self, track: str) -> tuple[Train, Score]:
        """``[train]`` and ``[score]`` with the changes for a track applied."""
        override = self.tracks.get(track, TrackOverride())
        train = self.train.model_copy(
            update={
                "command": override.train.command or self.train.command,
                "env": {**self.train.env, **override.train.env},
            }
        )
        changes = {
            key: value for key, value in override.score.model_dump().items() if value is not None
        }
        score = Score.model_validate({**self.score.model_dump(), **changes})
        return train, score
