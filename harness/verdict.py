"""The verdict: what a maintainer publishes and a scorecard draws."""

from typing import Literal

from pydantic import Field

from harness.evidence import Claim, Fact, SandboxKind, TimelineSpan

CheckId = Literal[
    "hardware",
    "dataset",
    "isolation",
    "seeds",
    "training",
    "train_wallclock",
    "clocks",
    "artifact",
    "bytes",
    "scoring",
    "score_wallclock",
    "coverage",
    "causality",
    "significance",
]
Status = Literal["pass", "fail", "unknown"]
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
    """Something looked at before any run: ``fail`` stands in the way, ``unknown`` is a warning."""

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


class Digests(Fact):
    """What the verdict is bound to."""

    submission: str
    track: str
    dataset: str
    image: str
    harness: str


class Verdict(Fact):
    """The outcome of a verification; every scorecard is a pure function of it."""

    verdict: VerdictName
    reason: str
    track: str
    edition: str
    submission: str
    author: str
    claim: Claim = Claim()
    sandbox: SandboxKind
    rehearsal: bool
    created_at: str
    dataset: str
    checks: tuple[Check, ...]
    seeds: tuple[SeedResult, ...]
    seeds_drawn: bool
    statistics: StatisticsResult
    baselines: dict[str, float] = Field(default_factory=dict)
    train_limit_seconds: float
    score_limit_seconds: float
    bytes_limit: int
    digests: Digests
    evidence: str
    rescored_from: str = ""
