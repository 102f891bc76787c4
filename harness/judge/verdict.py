"""The verdict: what a maintainer publishes and a scorecard draws."""

from typing import Literal

from pydantic import Field

from harness.contest.entry import Claim
from harness.evidence.facts import DocumentCost, SandboxKind, StreamPart, TimelineSpan
from harness.models import Fact, Status

CheckId = Literal[
    "hardware",
    "dataset",
    "isolation",
    "seeds",
    "tokenizer",
    "training",
    "train_wallclock",
    "clocks",
    "artifact",
    "bytes",
    "scoring",
    "score_wallclock",
    "coverage",
    "causality",
    "seed_spread",
    "memorisation",
    "holdout",
    "significance",
]
VerdictName = Literal["VERIFIED", "REJECTED", "INCONCLUSIVE", "REHEARSED"]


class Check(Fact):
    """One rule applied to evidence. ``measured`` and ``limit`` share ``unit``."""

    id: CheckId
    status: Status
    measured: float | int | str | None = None
    limit: float | int | str | None = None
    unit: str = ""
    detail: str


class Finding(Fact):
    """Something seen besides the checks: ``fail`` stands in the way, ``unknown`` is a warning."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


class SeedResult(Fact):
    """One row of the table of seeds; a figure that was not reached is null."""

    seed: int
    val_bpb: float | None = None
    val_loss: float | None = None
    artifact_bytes: int | None = None
    code_bytes: int
    train_seconds: float | None = None
    score_seconds: float | None = None
    targets: int | None = None
    bytes: int | None = None
    artifact: str | None = None
    artifact_sha256: str | None = None
    tokens_per_second: float | None = None
    unquantised_bpb: float | None = None
    holdout_bpb: float | None = None
    gap_bpb: float | None = None
    gap_standard_error_bpb: float | None = None
    timeline: tuple[TimelineSpan, ...] = ()
    trouble: str | None = None


class StatisticsResult(Fact):
    """One-sided one-sample t-test of the seeds' BPB against ``threshold_bpb``.

    ``threshold_bpb`` is the bar less the margin; the margin is given per token in nats and
    converted with this dataset's tokens per byte. Figures that are not defined (fewer than
    two seeds) are null; ``case`` says which case it is. ``ci99_bpb`` is the two-sided 99 %
    confidence interval of the mean. ``seeds_for_power_90`` is how many seeds this distance
    and this spread would need to fall below ``p_below`` nine times in ten.
    """

    case: Literal["tested", "no seeds", "one seed", "zero variance", "not finite"]
    n: int
    mean_bpb: float | None = None
    mean_nats_per_token: float | None = None
    sd_bpb: float | None = None
    t: float | None = None
    degrees_of_freedom: int | None = None
    p: float | None = None
    p_below: float
    ci99_bpb: tuple[float, float] | None = None
    bar_bpb: float
    bar_source: str
    margin_nats_per_token: float
    margin_bpb: float
    threshold_bpb: float
    seeds_for_power_90: int | None = None
    significant: bool


class TokenizerResult(Fact):
    """A submission's own tokenizer, beside the dataset's.

    A loss in nats per token says nothing across vocabularies: ``bpb_per_nat`` is what one nat per
    token of this tokenizer is worth, ``dataset_bpb_per_nat`` one of the dataset's, in which the
    margin is given. Null where the tokenizer does not give every document back.
    """

    file: str
    sha256: str
    bytes: int
    counted: bool
    vocabulary_size: int | None = None
    bytes_per_token: float | None = None
    bpb_per_nat: float | None = None
    dataset_bytes_per_token: float
    dataset_bpb_per_nat: float


class MemorisationResult(Fact):
    """How the cost is spread over documents and along the stream, in the most suspicious seed.

    ``cheapest`` are the judged documents that take the fewest of a plain compressor's bits,
    ``suspicious`` of them impossibly few.
    """

    seed: int
    judged: int
    median_ratio: float | None
    suspicious: int
    cheapest: tuple[DocumentCost, ...]
    parts: tuple[StreamPart, ...]


class Digests(Fact):
    """What the verdict is bound to; ``tokenizer`` is that of the submission's own, if any."""

    submission: str
    track: str
    dataset: str
    image: str
    harness: str
    tokenizer: str = ""


class Verdict(Fact):
    """The outcome of a verification; every scorecard is a pure function of it.

    ``findings`` are warnings that changed nothing: what a reader should know besides. ``segment``
    is how many targets an adaptive model is scored on before it learns from them; else null.
    ``isolated``: the sandbox proves all that a verdict needs; one that does not only rehearses.
    """

    verdict: VerdictName
    reason: str
    track: str
    edition: str
    submission: str
    author: str
    claim: Claim = Claim()
    sandbox: SandboxKind
    sandbox_runtime: str = ""
    isolated: bool
    rehearsal: bool
    created_at: str
    dataset: str
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...] = ()
    seeds: tuple[SeedResult, ...]
    seeds_drawn: bool
    statistics: StatisticsResult
    tokenizer: TokenizerResult | None = None
    memorisation: MemorisationResult | None = None
    baselines: dict[str, float] = Field(default_factory=dict)
    train_limit_seconds: float
    score_limit_seconds: float
    bytes_limit: int
    digests: Digests
    evidence: str
    rescored_from: str = ""
    segment: int | None = None
