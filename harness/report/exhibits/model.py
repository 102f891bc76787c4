"""Exhibits as data. Every list is bounded, and says how much it leaves out where it does."""

from typing import Annotated, Literal

from pydantic import Field

from harness.evidence.asked_again import Probes, Recall
from harness.evidence.host import TelemetryFacts
from harness.evidence.results import Spread
from harness.evidence.step_names import Role, StepName
from harness.models import Fact

MOST_RUNS = 64
MOST_POINTS = 300
MOST_TENSORS = 120
MOST_STRETCHES = 40
NAME_LIMIT = 80


class Stretch(Fact):
    """A stretch of a run's step, in seconds from the start of the run's first sandbox.

    ``by`` says who measured it: the engine, us in the scoring, or the submission's own log, which
    is a claim. ``limit_seconds`` is what the step may take; null where it has no budget.
    """

    step: StepName
    name: str = Field(max_length=NAME_LIMIT)
    by: Literal["engine", "scoring", "log"]
    begins: float = Field(ge=0)
    seconds: float = Field(ge=0)
    limit_seconds: float | None = None
    outcome: str = ""


class TrainPoint(Fact):
    """What a log says at one step: claims. ``seconds`` is our own stamp of the line."""

    step: int = Field(ge=0)
    seconds: float = Field(ge=0)
    loss: float | None = None
    step_ms: float | None = None


class Tensor(Fact):
    """A part of an artifact, as the artifact's own directory names it.

    ``stored_bytes`` are those in the file, or before compression where the file is one stream.
    ``rms_error`` is what quantization changed, as a share of the unquantized weights.
    """

    name: str = Field(max_length=NAME_LIMIT)
    kind: str = Field(max_length=NAME_LIMIT)
    stored_bytes: int = Field(ge=0)
    rms_error: float | None = Field(default=None, ge=0)


class Weights(Fact):
    """What an artifact holds. ``compressed``: it is one stream, so sizes are those before it.

    ``left_out`` tensors are not in the list, the smallest ones, of ``left_out_bytes``.
    """

    format: str = Field(max_length=NAME_LIMIT)
    compressed: bool
    tensors: Annotated[tuple[Tensor, ...], Field(max_length=MOST_TENSORS)]
    left_out: int = Field(default=0, ge=0)
    left_out_bytes: int = Field(default=0, ge=0)


class TelemetryPoint(Fact):
    """What all accelerators of a run did in a stretch of time that began after ``seconds``.

    ``watts`` are one accelerator's, on average.
    """

    seconds: float = Field(ge=0)
    lowest_mhz: int | None = None
    watts: float | None = None
    limit_watts: float | None = None
    hottest_celsius: int | None = None


class StepTelemetry(Fact):
    """What was seen of the accelerators in one step; all but ``facts`` for a training alone.

    ``busy_seconds`` and ``kilojoules`` are those of all accelerators together.
    """

    step: str
    facts: TelemetryFacts
    busy_seconds: float | None = Field(default=None, ge=0)
    kilojoules: float | None = Field(default=None, ge=0)
    curve: Annotated[tuple[TelemetryPoint, ...], Field(max_length=MOST_POINTS)] = ()


class OpenedShards(Fact):
    """How many of the files of train shards that a training was shown it opened."""

    opened: int = Field(ge=0)
    files: int = Field(ge=1)


class RunExhibit(Fact):
    """What can be shown of one run. ``purpose`` is that of its draw."""

    seed: int
    role: Role
    purpose: str
    attempt: int
    stretches: Annotated[tuple[Stretch, ...], Field(max_length=MOST_STRETCHES)] = ()
    training: Annotated[tuple[TrainPoint, ...], Field(max_length=MOST_POINTS)] = ()
    spread: Spread | None = None
    weights: Weights | None = None
    weights_why: str = ""
    telemetry: tuple[StepTelemetry, ...] = ()
    opened: OpenedShards | None = None
    probes: Probes | None = None
    recall: Recall | None = None


class Tolerances(Fact):
    """What the track tolerates of answers that are asked again, in nats."""

    largest_change_nats: float
    mean_change_nats: float
    mean_gain_nats: float


class Exhibits(Fact):
    """All that is shown of a run directory besides its verdict.

    ``inspected`` is what the entry's own code said of the first artifact, where somebody asked it.
    """

    runs: Annotated[tuple[RunExhibit, ...], Field(max_length=MOST_RUNS)]
    left_out: int = Field(default=0, ge=0)
    inspected: Weights | None = None
    tolerances: Tolerances
    train_limit_seconds: float | None = None
    score_limit_seconds: float | None = None
