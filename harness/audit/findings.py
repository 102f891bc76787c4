"""What an audit of one record folder says, as data: no opinion beyond the policy it names."""

from typing import Literal

from pydantic import Field

from harness.evidence import Fact
from harness.verdict import Status

ClaimKind = Literal["mean", "best", "single", "one_of_several", "unsupported", "none"]
CheckName = Literal[
    "files",
    "outside",
    "json",
    "syntax",
    "runs",
    "score",
    "score_loss",
    "score_bytes",
    "score_seeds",
    "readme",
    "denominator",
    "size",
    "size_shipped",
    "size_needed",
    "train_time",
    "post_train",
    "eval_time",
    "eval_compile",
    "seeds",
    "seed_labels",
    "seed_fingerprint",
    "configuration",
    "script",
    "hardware",
    "significance",
    "welch",
]


class Place(Fact):
    """Where a figure was read: a file relative to the folder, and a line (1 is the first)."""

    file: str
    line: int | None = None
    text: str = ""


class AuditCheck(Fact):
    """One rule applied to a folder. ``measured`` and ``limit`` share ``unit``.

    ``file`` and ``line`` name the first place that the sentence rests on, ``places`` all of
    them. ``unknown`` means that the files do not tell, never that something is wrong.
    """

    id: CheckName
    status: Status
    measured: float | int | str | None = None
    limit: float | int | str | None = None
    unit: str = ""
    sentence: str
    file: str | None = None
    line: int | None = None
    places: tuple[Place, ...] = ()


class Evaluation(Fact):
    """One scoring that a log prints: its own name for it, and the figures as printed."""

    name: str
    line: int
    val_bpb: float
    val_loss: float | None = None
    seconds: float | None = None
    decimals: int = 0


class LoggedRun(Fact):
    """One training, one scoring or both, as its log tells it. Bytes, seconds, nats per token.

    ``line`` is that of the final score. ``lines`` says where every other figure was read.
    ``trained_in`` names the log that the training figures come from where this one only
    scores an artifact saved before. ``copy_of`` names the log whose content or figures this one
    repeats. ``train_slack_seconds`` is half of the last digit that the clock was printed with.
    ``counted`` runs are those that the claim rests on.
    """

    log: str
    line: int | None = None
    seed: int | None = None
    metric: str | None = None
    metric_reason: str = ""
    val_bpb: float | None = None
    val_loss: float | None = None
    val_decimals: int = 0
    model_bytes: int | None = None
    code_bytes: int | None = None
    code_bytes_logged: tuple[int, ...] = ()
    total_bytes: int | None = None
    train_seconds: float | None = None
    train_slack_seconds: float = 0.0
    eval_seconds: float | None = None
    eval_seconds_all: float | None = None
    compile_seconds: float | None = None
    post_train_seconds: float | None = None
    artifact_seconds: float | None = None
    steps: int | None = None
    tokens: int | None = None
    world_size: int | None = None
    gpu: str | None = None
    gpus: int | None = None
    torch: str | None = None
    python: str | None = None
    tokenizer: str | None = None
    trained_in: str | None = None
    copy_of: str | None = None
    counted: bool = True
    evaluations: tuple[Evaluation, ...] = ()
    first_losses: tuple[float, ...] = ()
    hyperparameters: dict[str, str] = Field(default_factory=dict)
    lines: dict[str, int] = Field(default_factory=dict)


class ClaimReading(Fact):
    """The score that the folder claims, and what the runs say to it."""

    val_bpb: float | None = None
    val_loss: float | None = None
    bytes_total: int | None = None
    kind: ClaimKind = "none"
    file: str | None = None
    line: int | None = None
    sentence: str = ""


class Readings(Fact):
    """The evidence in one word for each topic, the same under every policy."""

    score: Literal["supported", "best_seed", "one_of_several", "unsupported", "no_claim"]
    size: Literal[
        "under_cap",
        "over_cap_logged",
        "over_cap_if_shipped_script_counted",
        "over_cap_if_all_needed_code_counted",
        "not_logged",
    ]
    train_time: Literal["ok", "over_by_less_than_0.2s", "over", "not_logged"]
    post_train: Literal["ok_or_not_logged", "gptq_past_600s"]
    seeds: int
    script: Literal["same_as_logged", "differs_from_logged", "missing", "not_logged"]
    hardware: Literal["8xH100_in_log", "claimed_only", "other"]
    files: Literal["complete", "incomplete"]


class FolderAudit(Fact):
    """Everything read in one record folder, and the policy's checks on it."""

    folder: str
    name: str
    date: str | None = None
    track: str
    policy: str
    status: Status
    claim: ClaimReading
    readings: Readings
    runs: tuple[LoggedRun, ...]
    checks: tuple[AuditCheck, ...]

    @property
    def findings(self) -> tuple[AuditCheck, ...]:
        """The checks, under the name that a gate knows them by."""
        return self.checks
