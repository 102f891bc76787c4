"""What a log says of a run, as data."""

from pydantic import Field

from harness.models import Fact, Later


class Evaluation(Fact):
    """One scoring that a log prints: its own name for it, and the figures as printed."""

    name: str
    line: int
    val_bpb: float
    val_loss: float | None = None
    seconds: float | None = None
    decimals: int = 0


class LoggedRun(Fact):
    """One training, one scoring or both, as the log reports them. Bytes, seconds, nats per token.

    ``line`` is the line of the final score. ``lines`` says where every other figure was read.
    ``trained_in`` names the log with the training figures, where this log only scores an artifact
    that was saved before. ``copy_of`` names the log whose content or figures this one repeats.
    ``train_slack_seconds`` is half of the last digit that the clock was printed with. The claim
    rests on the runs that are ``counted``. ``not_finite`` is the line of its last score, where that
    is no number: the run diverged.
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
    not_finite: Later[int] = None
