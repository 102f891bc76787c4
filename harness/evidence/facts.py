"""What was measured, as data: no opinion in it. Every model here is a file, or part of one.

A verification directory holds ``verification.json`` (:class:`Verification`, fixed before the
first run) and ``seed-N/evidence.json`` (:class:`SeedRun`) for each seed run that has ended.
"""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.contest.entry import SubmissionFacts
from harness.contest.track import Track
from harness.evidence.isolation import REQUIRED
from harness.models import Fact

PhaseName = Literal["train", "score"]
SandboxKind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
PropertyId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Outcome = Literal["completed", "failed", "deadline", "stopped", "lost"]


def _is_product(product: float, *factors: float) -> bool:
    """Whether a figure is the product of others, but for rounding."""
    try:
        return math.isclose(product, math.prod(factors), rel_tol=1e-9)
    except OverflowError:  # an integer that no float holds
        return False


class DatasetFacts(Fact):
    """Which dataset was used, and the figures that the rules need of it.

    ``baselines`` maps the name of a count-based model to its BPB on the validation split.
    """

    name: str
    digest: str
    vocabulary_size: int = Field(gt=0)
    train_tokens: int = Field(ge=0)
    validation_documents: int = Field(gt=0)
    validation_tokens: int = Field(gt=1)
    validation_bytes: int = Field(gt=0)
    baselines: dict[str, float] = Field(default_factory=dict)


class BarFacts(Fact):
    """The BPB to beat as the leaderboard had it when a verification began.

    ``verdict_sha256`` names the accepted verdict that it comes from; empty for the track's own.
    """

    bpb: float = Field(gt=0, lt=100)
    source: str
    verdict_sha256: str = ""


class TokenizerFacts(Fact):
    """The tokenizer that a submission brings, used instead of the dataset's own.

    ``file`` is one of the submission's files; empty for the built-in pure bytes. ``problem`` says
    why it cannot be used: no such model, or validation document ``document`` (counted from 1)
    does not come back from its tokens. Empty when every one of them does, exactly; then
    ``dataset_digest`` is that of the dataset made with it, whose text is the track's own.
    """

    kind: Literal["model", "bytes"]
    file: str = ""
    bytes: int = Field(ge=0)
    sha256: str
    vocabulary_size: int | None = Field(default=None, gt=0)
    dataset_digest: str = ""
    train_tokens: int | None = Field(default=None, ge=0)
    validation_tokens: int | None = Field(default=None, gt=1)
    problem: str = Field(default="", max_length=2000)
    document: int | None = Field(default=None, gt=0)


class HoldoutFacts(Fact):
    """The second, unpublished set of documents that artifacts are scored on too."""

    name: str
    digest: str
    documents: int = Field(gt=0)
    tokens: int = Field(gt=1)
    bytes: int = Field(gt=0)


class Accelerator(Fact):
    """One GPU, as its driver names it."""

    name: str
    uuid: str
    memory_bytes: int = Field(ge=0)


class MachineFacts(Fact):
    """The machine the runs were made on."""

    processor: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    accelerators: tuple[Accelerator, ...] = ()
    driver: str = ""


class SandboxFacts(Fact):
    """Where untrusted code ran: a backend, and what it says of itself.

    ``kind`` is the backend's name; ``proves`` the ids of :mod:`harness.evidence.isolation` that it
    reads back in every phase, none for a rehearsal. The rest is empty where a backend has no such
    thing: ``runtime`` is the engine's runtime (``runc``, ``runsc``); ``seccomp_digest`` the SHA-256
    of the profile of system calls; ``versions`` those of the engine's components.
    """

    kind: SandboxKind
    proves: tuple[PropertyId, ...] = ()
    engine: str = ""
    image: str = ""
    image_digest: str = ""
    runtime: str = ""
    seccomp_digest: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def isolated(self) -> bool:
        """Whether it proves all that a verdict needs; a sandbox that does not only rehearses."""
        return set(self.proves) >= REQUIRED


class IsolationFact(Fact):
    """One property of a sandbox, as its backend reports it back after the start.

    ``id`` is one of :mod:`harness.evidence.isolation`, of the edition that was run.
    """

    id: PropertyId
    expected: str
    actual: str

    @property
    def holds(self) -> bool:
        """Whether what was asked for is in force."""
        return self.expected == self.actual


class PhaseFacts(Fact):
    """One sandbox from start to end.

    ``wallclock_seconds`` is the engine's StartedAt to FinishedAt. The harness's own monotonic
    clock brackets it: ``harness_seconds_low`` from the moment the start call had returned,
    ``harness_seconds_high`` from the moment it was made, both to the moment the end was seen.
    ``stalled_seconds`` is the longest time in which the harness itself stood still.
    ``outcome``: ``completed`` exit code 0; ``failed`` any other; ``deadline`` killed at the
    limit; ``stopped`` ended by the harness because its work was done; ``lost`` the engine or
    the channel broke, so nothing can be said.
    """

    phase: PhaseName
    outcome: Outcome
    exit_code: int | None
    oom_killed: bool = False
    started_at: str
    finished_at: str
    wallclock_seconds: float
    harness_seconds_low: float
    harness_seconds_high: float
    overhead_seconds: float = 0.0
    stalled_seconds: float = 0.0
    log_bytes: int = 0
    log_truncated: bool = False
    isolation: tuple[IsolationFact, ...] = ()
    detail: str = ""


class ArtifactFacts(Fact):
    """The sealed artifact: what was hashed is what is scored."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")
    bytes: int = Field(ge=0)
    sha256: str


ERRORS_PUT_UP_WITH = 3.0
"""Standard errors by which a mean gain must exceed what is put up with: rounding has no sign, but
few probes of a noisy model can look as if it had."""


class ProbeFacts(Fact):
    """What causality probes showed: targets asked again in a fresh sandbox, with other futures.

    ``largest_change_nats`` is the largest change of a log-probability up to the cut, at stream
    index ``worst_target``. ``mean_gain_nats`` is how much cheaper targets were the first time,
    in true company, on average up to the cut or at the cut: 0 but for rounding, give or take
    ``gain_error_nats``, its standard error. ``mean_change_nats`` is the mean of the same changes
    without their sign. An adaptive model observed ``segments_observed`` segments again.
    """

    probes: int = Field(ge=0)
    largest_change_nats: float
    mean_gain_nats: float
    gain_error_nats: float = Field(default=0.0, ge=0)
    mean_change_nats: float = Field(default=0.0, ge=0)
    worst_target: int
    segments_observed: int = 0


class ScoreFacts(Fact):
    """The re-scored validation split. Nats are natural-log units, bits are nats / ln 2.

    ``val_loss`` is nats per target, ``val_bpb`` bits per byte of the documents' text.
    ``documents_file`` holds arrays ``nats`` float64[D], ``bytes`` int64[D], ``targets`` int64[D].
    An adaptive model observed ``segments_observed`` segments of ``segment`` targets, which took
    ``observe_seconds`` of ``model_seconds``; ``segment`` is null for any other model.
    """

    total_nats: float
    total_bits: float
    val_loss: float
    val_bpb: float
    targets: int
    bytes: int
    documents: int
    windows: int
    sequence_length: int
    stride: int
    segment: int | None = None
    segments_observed: int = 0
    observe_seconds: float = 0.0
    requests: int
    workers: int
    load_seconds: float
    model_seconds: float
    tokens_per_second: float
    documents_file: str
    documents_sha256: str

    @model_validator(mode="after")
    def _adds_up(self) -> "ScoreFacts":
        if self.total_nats < 0:
            raise ValueError("total_nats: expected at least 0")
        for name, product, factors in (
            ("total_bits", self.total_nats, (self.total_bits, math.log(2))),
            ("val_loss", self.total_nats, (self.val_loss, self.targets)),
            ("val_bpb", self.total_bits, (self.val_bpb, self.bytes)),
        ):
            if not _is_product(product, *factors):
                raise ValueError(
                    f"{name}: expected what follows from total_nats, targets and bytes"
                )
        if self.val_bpb < 0:
            raise ValueError("val_bpb: expected at least 0")
        return self


class DocumentCost(Fact):
    """What one validation document (counted from 1) costs a model, and a plain compressor."""

    document: int = Field(gt=0)
    bytes: int = Field(gt=0)
    bpb: float
    plain_bpb: float = Field(gt=0)

    @property
    def ratio(self) -> float:
        """The model's bits for each bit of the compressor's."""
        return self.bpb / self.plain_bpb


class StreamPart(Fact):
    """A stretch of whole documents of the validation stream, and what it costs."""

    documents: int = Field(gt=0)
    bytes: int = Field(gt=0)
    bpb: float
    plain_bpb: float = Field(gt=0)

    @property
    def ratio(self) -> float:
        """The model's bits for each bit of the compressor's."""
        return self.bpb / self.plain_bpb


class MemorisationFacts(Fact):
    """How the cost is spread over documents and over the stream, beside a plain compressor's.

    The compressor (zlib, each document alone) knows how repetitive a document is and nothing of
    the rest, so that a cheap document is told from an easy one. ``median_ratio`` is the median
    over the ``judged`` documents, those that are long enough, of the model's bits for each bit of
    the compressor's, ``spread`` the scaled median absolute deviation of that ratio's logarithm;
    both null without such documents. ``lowest`` holds the documents of the lowest ratios, lowest
    first; ``parts`` the whole stream in order, in parts of about equal bytes.
    """

    judged: int = Field(ge=0)
    median_ratio: float | None = None
    spread: float | None = None
    lowest: tuple[DocumentCost, ...] = ()
    parts: tuple[StreamPart, ...] = ()


class GapFacts(Fact):
    """What an artifact costs on the published documents and on the unpublished ones, in BPB.

    ``gap_bpb`` is how much cheaper the published documents are than the unpublished ones let
    expect: the latter's BPB, scaled by what a plain compressor makes of both sets, less the
    former's. ``standard_error_bpb`` is that of the gap, from the scatter of the documents of both
    sets around the ratio of model and compressor.
    """

    validation_bpb: float
    holdout_bpb: float
    validation_plain_bpb: float = Field(gt=0)
    holdout_plain_bpb: float = Field(gt=0)
    gap_bpb: float
    standard_error_bpb: float = Field(ge=0)


class TimelineSpan(Fact):
    """A stretch of the train phase, read from the submission's log: information only."""

    name: Literal["start-up", "compile and warm-up", "training", "quantisation"]
    seconds: float


class Throttle(Fact):
    """What telemetry saw of the accelerators while a phase ran."""

    samples: int = 0
    slowdowns: tuple[str, ...] = ()
    lowest_sm_clock_mhz: int | None = None
    foreign_processes: int = 0

    def joined(self, other: "Throttle") -> "Throttle":
        """Both phases' telemetry as one."""
        clocks = [c for c in (self.lowest_sm_clock_mhz, other.lowest_sm_clock_mhz) if c is not None]
        return Throttle(
            samples=self.samples + other.samples,
            slowdowns=tuple(sorted({*self.slowdowns, *other.slowdowns})),
            lowest_sm_clock_mhz=min(clocks, default=None),
            foreign_processes=max(self.foreign_processes, other.foreign_processes),
        )


class Trouble(Fact):
    """Why a seed run did not come to a score, and whose fault it is."""

    fault: Literal["submission", "infrastructure"]
    phase: Literal["train", "seal", "score", "probe", "holdout"]
    reason: str


class SeedRun(Fact):
    """One training with one seed and one scoring of its artifact: the unit of evidence.

    ``checkpoint`` and ``unquantised`` are the training's unquantised weights and their score,
    where there are any: information, neither counted nor judged.
    """

    seed: int
    train: PhaseFacts | None = None
    timeline: tuple[TimelineSpan, ...] = ()
    artifact: ArtifactFacts | None = None
    checkpoint: ArtifactFacts | None = None
    score: PhaseFacts | None = None
    scoring: ScoreFacts | None = None
    probe: PhaseFacts | None = None
    probes: ProbeFacts | None = None
    memorisation: MemorisationFacts | None = None
    holdout: PhaseFacts | None = None
    holdout_scoring: ScoreFacts | None = None
    gap: GapFacts | None = None
    unquantised: ScoreFacts | None = None
    throttle: Throttle = Throttle()
    trouble: Trouble | None = None

    @model_validator(mode="after")
    def _follows(self) -> "SeedRun":
        for result, *needs in (
            ("artifact", "train"),
            ("checkpoint", "artifact"),
            ("scoring", "artifact", "score"),
            ("probes", "scoring", "probe"),
            ("memorisation", "scoring"),
            ("holdout_scoring", "scoring", "holdout"),
            ("gap", "holdout_scoring"),
            ("unquantised", "checkpoint"),
        ):
            for need in needs:
                if getattr(self, result) is not None and getattr(self, need) is None:
                    raise ValueError(f"{result}: given without {need}, which it comes from")
        return self


class Verification(Fact):
    """Everything fixed before the first run; ``seeds`` follow from ``nonce`` when drawn.

    ``dataset`` is the track's own, whatever tokenizer the submission brings: bar, margin and text
    come from it. ``tokenizer`` is null for a submission that uses the dataset's. ``bar`` is null
    where the track alone says what is to be beaten. ``earlier`` counts the verifications of this
    very submission on this very track, with seeds drawn, that were begun before under the same
    directory of runs.
    """

    format: Literal[1] = 1
    created_at: str
    harness_version: str
    harness_digest: str
    submission: SubmissionFacts
    track: Track
    track_digest: str
    dataset: DatasetFacts
    tokenizer: TokenizerFacts | None = None
    holdout: HoldoutFacts | None = None
    bar: BarFacts | None = None
    machine: MachineFacts
    sandbox: SandboxFacts
    nonce: str
    seeds: tuple[int, ...]
    seeds_drawn: bool
    earlier: int = Field(default=0, ge=0)
    rescored_from: str = ""
