"""The verdict: a maintainer publishes it, and a scorecard shows it."""

from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field, computed_field, model_validator

from harness.contest.brought_along import FileWeight
from harness.contest.entry import Claim, RestsOn
from harness.evidence.decisions import Decision, PassedOver
from harness.evidence.isolation import BackendName
from harness.evidence.results import DocumentCost, StreamPart, TimelineSpan
from harness.judge.tested import ConfirmationResult, SpendingResult, StatisticsResult
from harness.models import Fact, Finding, Later
from harness.safeio.parsing import LONGEST_TEXT

VerdictName = Literal["VERIFIED", "REPRODUCED", "REJECTED", "INCONCLUSIVE", "REHEARSED"]
EXIT_CODES: dict[VerdictName, int] = {
    "VERIFIED": 0,
    "REHEARSED": 0,
    "REJECTED": 1,
    "INCONCLUSIVE": 3,
    "REPRODUCED": 4,
}


class Note(Finding):
    """A note that a reader should know but no rule decides; ``name`` is its id in words."""

    @model_validator(mode="before")
    @classmethod
    def _without_name(cls, value: Any) -> Any:
        if isinstance(value, dict) and "name" in value:
            value = {**value, "id": value.get("id", str(value["name"]).replace(" ", "_"))}
            del value["name"]
        return value

    @computed_field  # type: ignore[prop-decorator] # pydantic's own way to write it
    @property
    def name(self) -> str:
        """The id in words."""
        return self.id.replace("_", " ")


class RuleFacts(Fact):
    """A rule that judged: the facts that a reader of its answer needs.

    A later harness reads a verdict by the rules that it names, whatever its own rules are.
    """

    id: str = Field(max_length=80)
    better: Literal["lower", "higher", "equal"]
    open_in_rehearsal: bool
    decidable: bool
    since: str = Field(max_length=40)


Next = Literal[
    "nothing",
    "accept",
    "official",
    "mend",
    "slower",
    "resume",
    "confirm",
    "rescore",
    "decide",
    "anew",
    "doctor",
]


class WayOn(Fact):
    """What to look at, and what to do next.

    ``check`` decided the verdict, null where none stood in its way; ``file`` says more of it, below
    the directory of the evidence; ``seed`` is the one that it happened to. ``next``: ``accept`` it
    on the leaderboard; run it on the ``official`` track; ``mend`` the entry; give a rehearsal
    ``slower`` budgets; ``resume`` what is not finished; ``confirm`` what was accepted; ``rescore``
    what was sealed; have a person ``decide`` what no rule can tell; begin ``anew``, because this
    plan is used up; see the ``doctor`` about the host.
    """

    check: str | None = Field(default=None, max_length=80)
    file: str = Field(default="", max_length=400)
    seed: int | None = None
    next: Next = "nothing"


class Busy(Fact):
    """How busy the machine of a run was: the highest load average before a phase, and its cores."""

    load: float = Field(ge=0)
    cores: int = Field(ge=1)


class SeedResult(Fact):
    """One row of the table of seeds; a figure that was not reached is null.

    ``purpose`` says whether the seed belongs to a look or to the confirmation, ``place`` which of
    the seeds drawn for the looks it is, from 1, ``attempt`` which try of it counts, ``node`` where
    it was run. ``beside_bpb`` are the scores of earlier tries that
    were scored and then lost by our side: the seed's score is the mean of theirs and ``val_bpb``.
    ``lost``: our side lost this try too, so that no look and no confirmation goes by its score.
    ``waited_share`` is the share of the scoring in which models waited for the harness.
    ``whole_seconds`` is how long a script ran that goes on to its own evaluation; ``train_seconds``
    are then those until its artifact was sealed. ``log`` is that of the step that failed or was
    killed, below the directory of the evidence. ``busy`` is null where nobody measured it.
    """

    seed: int
    purpose: Literal["look", "confirmation"] = "look"
    attempt: int = 1
    node: str = ""
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
    beside_bpb: Later[tuple[float, ...]] = None
    place: Later[Annotated[int, Field(ge=1, le=1000)]] = None
    lost: Later[bool] = None
    waited_share: Later[Annotated[float, Field(ge=0, le=1)]] = None
    whole_seconds: Later[float] = None
    log: Later[Annotated[str, Field(max_length=400)]] = None
    busy: Later[Busy] = None

    @property
    def counted_bpb(self) -> float | None:
        """What counts as the seed's score, BPB; null without one."""
        return None if self.val_bpb is None else fmean((self.val_bpb, *(self.beside_bpb or ())))


class StreamsResult(Fact):
    """How each document was scored as a stream of its own.

    ``rows`` were open on each device, of which ``segment`` targets each were scored in a step. A
    model that ``observes`` was told what was scored, and studied finished documents ``studies``
    times in each run.
    """

    rows: int = Field(ge=1)
    segment: int = Field(ge=1)
    observes: bool
    studies: int = Field(default=0, ge=0)


class Stage(Fact):
    """How far a script in upstream's layout got: one of the stages, and a word on it.

    ``open``: it was reached, and a question about it has no answer.
    """

    name: Literal["proven", "trained blind", "scored by us", "reproduced"]
    word: Literal["yes", "no", "open", "not reached", "not possible"]
    detail: str = Field(default="", max_length=2000)


class UpstreamResult(Fact):
    """What is said of an entry in upstream's layout, besides what is said of every entry.

    ``bridge`` is the text of the referee's own lines. Where not ``asked``, its model cannot be
    asked at all; ``rests_on`` is what the claimed score needs besides the model. In both cases the
    claim is ``only_reproduced``. ``scaled_down``: it was made small for this machine.
    """

    script: str
    evaluation: str | None = None
    asked: bool
    rests_on: RestsOn | None = None
    only_reproduced: bool
    scaled_down: bool = False
    stages: tuple[Stage, ...] = ()
    bridge: str = Field(default="", max_length=LONGEST_TEXT)

    @property
    def once_blind(self) -> bool:
        """Whether it was trained once for us, and no score of it is compared with a bar."""
        return self.only_reproduced or self.scaled_down


class ReproductionResult(Fact):
    """One run of an entry's whole script, in our sandbox and on our clock: what it printed.

    ``sealed_seconds`` is when its artifact was sealed, ``printed_loss`` in nats a token.
    """

    seed: int
    printed_bpb: float | None = None
    seconds: float | None = None
    artifact_bytes: int | None = None
    trouble: str | None = None
    sealed_seconds: Later[float] = None
    printed_loss: Later[float] = None


class Doubt(Fact):
    """What a check cannot exclude, in BPB of the validation text; the rule ``doubts`` adds it."""

    check: str = Field(max_length=80)
    of: str = Field(max_length=200)
    bpb: float = Field(ge=0)


class TokenizerResult(Fact):
    """A submission's own tokenizer, or that of another dataset of the text, beside the dataset's.

    Losses in nats per token cannot be compared between vocabularies. ``bpb_per_nat`` converts one
    nat per token of this tokenizer into BPB; ``dataset_bpb_per_nat`` does so for the dataset's
    tokenizer, in which the margin is given. Null where the tokenizer's round trip is not lossless.
    ``code`` is the function that makes it, where it is code; ``bytes`` are then those of all files
    of the submission. ``dataset`` is the name of the dataset that holds the same text in the tokens
    that an entry was written for: then nothing was brought, and ``sha256`` is its digest.
    """

    file: str
    code: Later[str] = None
    dataset: Later[str] = None
    sha256: str
    bytes: int
    counted: bool
    vocabulary_size: int | None = None
    bytes_per_token: float | None = None
    bpb_per_nat: float | None = None
    dataset_bytes_per_token: float
    dataset_bpb_per_nat: float


class BroughtResult(Fact):
    """What the submission brings along besides its artifact, in compressed bytes.

    ``bytes`` is the size of code and settings, ``tokenizer_bytes`` of its own tokenizer as the code
    is shown it (0 without one), of which ``tokenizer_free_bytes`` count nothing;
    ``counted_bytes`` is the sum of what is left. What exceeds ``free_bytes`` (the track's, or what
    the bar's own entry brought if that is more) is taken for remembered text: ``doubt_bpb``, 8 bits
    a byte over the bytes of the validation text. ``files`` are the heaviest ones, each compressed
    by itself.
    """

    bytes: int = Field(ge=0)
    tokenizer_bytes: int = Field(ge=0)
    tokenizer_free_bytes: int = Field(ge=0)
    counted_bytes: int = Field(ge=0)
    free_bytes: int = Field(ge=0)
    limit_bytes: int = Field(ge=0)
    doubt_bpb: float = Field(ge=0)
    container_sha256: str
    files: tuple[FileWeight, ...] = ()


class MemorisationResult(Fact):
    """How the cost is spread over documents and along the stream, in the most suspicious seed.

    ``cheapest`` are the judged documents with the fewest bits compared with a plain compressor's;
    ``suspicious`` of them are impossibly cheap.
    """

    seed: int
    judged: int
    median_ratio: float | None
    suspicious: int
    cheapest: tuple[DocumentCost, ...]
    parts: tuple[StreamPart, ...]


class Digests(Fact):
    """What the verdict is bound to.

    ``harness`` is the digest of the code that measured, ``rules`` that of the code that judged,
    ``bridge`` that of the referee's own lines about an entry in a foreign layout, ``tokenizer``
    that of the submission's own; empty where there is none.
    """

    submission: str
    track: str
    dataset: str
    image: str
    harness: str
    rules: str = ""
    bridge: str = ""
    tokenizer: str = ""


class Verdict(Fact):
    """The outcome of a verification; every scorecard is a pure function of it.

    ``checks`` are the answers of the rules, in their order; ``rules`` are those rules.
    ``decisions`` are those that settled one of these answers, ``passed_over`` those that did not.
    ``isolated``: the sandbox proves all that a verdict needs; if not, it can only rehearse.
    ``findings`` are warnings that do not change the verdict but that a reader should know.
    ``segment`` is how many targets an adaptive model is scored on before it learns from them; else
    null. ``streams`` is null where the split is one stream. ``doubts`` are empty where no check
    bounds what it cannot exclude; ``brought`` is null where the track or the plan knows no such
    figure, ``spending`` where the track charges no tries. ``confirmation`` is null unless the track
    asks for it and its looks have accepted. ``upstream`` is null for a submission in our layout.
    ``time_scale`` multiplied every budget, in a rehearsal that was given more time; null where
    none was. ``seconds`` is what all runs took together, from the first start in each to its last
    end. ``folder`` is the name of the entry's folder, ``way_on`` where the verdict leads.
    """

    verdict: VerdictName
    reason: str
    track: str
    edition: str
    submission: str
    author: str
    layout: Literal["submission", "upstream"] = "submission"
    claim: Claim = Claim()
    sandbox: BackendName
    sandbox_runtime: str = ""
    isolated: bool
    rehearsal: bool
    created_at: str
    dataset: str
    checks: tuple[Finding, ...]
    rules: tuple[RuleFacts, ...]
    decisions: tuple[Decision, ...] = ()
    findings: tuple[Note, ...] = ()
    seeds: tuple[SeedResult, ...]
    seeds_drawn: bool
    reproductions: tuple[ReproductionResult, ...] = ()
    statistics: StatisticsResult
    doubts: tuple[Doubt, ...] = ()
    tokenizer: TokenizerResult | None = None
    memorisation: MemorisationResult | None = None
    baselines: dict[str, float] = Field(default_factory=dict)
    train_limit_seconds: float | None
    score_limit_seconds: float | None
    bytes_limit: int
    digests: Digests
    evidence: str
    rescored_from: str = ""
    segment: int | None = None
    streams: Later[StreamsResult] = None
    brought: Later[BroughtResult] = None
    spending: Later[SpendingResult] = None
    confirmation: Later[ConfirmationResult] = None
    upstream: Later[UpstreamResult] = None
    passed_over: Later[tuple[PassedOver, ...]] = None
    time_scale: Later[Annotated[float, Field(gt=0, le=1000)]] = None
    seconds: Later[Annotated[float, Field(ge=0)]] = None
    folder: Later[str] = None
    way_on: Later[WayOn] = None

    @property
    def score_bpb(self) -> float | None:
        """The score to publish: of the seeds that confirm; where there are none, of the tested."""
        fresh = self.confirmation.mean_bpb if self.confirmation else None
        return self.statistics.mean_bpb if fresh is None else fresh

    @property
    def targets(self) -> int:
        """Targets of the validation split, in the tokens that the entry was scored in.

        Raises:
            ArithmeticError: the bytes per token are impossible.
        """
        own = self.tokenizer
        if own is None or own.bytes_per_token is None:
            return self.statistics.targets
        return round(self.statistics.text_bytes / own.bytes_per_token) - 1

    @property
    def scored_seeds(self) -> tuple[SeedResult, ...]:
        """The seeds whose mean :attr:`score_bpb` is."""
        fresh = self.confirmation
        confirmed = fresh is not None and fresh.mean_bpb is not None
        purpose = "confirmation" if confirmed else "look"
        rows = [row for row in self.seeds if row.purpose == purpose and row.val_bpb is not None]
        return tuple(rows[: fresh.n if fresh and confirmed else self.statistics.n])
