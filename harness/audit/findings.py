"""The result of an audit of one record folder, as data; only its policy adds opinions."""

from typing import Literal

from harness.models import Fact, Finding, Status, Told
from harness.upstream.logs.logged import LoggedRun

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
    """Where a figure was read: a file relative to the folder, and a line from 1."""

    file: str
    line: int | None = None
    text: str = ""


class AuditCheck(Finding):
    """One rule applied to a folder.

    ``file`` and ``line`` name the first place that the check is based on, ``places`` all of them.
    ``unknown`` means that the files do not say enough, never that something is wrong.
    """

    id: CheckName
    places: tuple[Place, ...] = ()


class ClaimReading(Fact):
    """The score that the folder claims, and how it compares with the runs."""

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
    checks: tuple[Told[AuditCheck], ...]
