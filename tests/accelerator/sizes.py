"""How much each step does: in full on a GPU, in miniature on a CPU, less still in tests."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """Bounds of one size; ``smoke`` takes the submissions' settings for laptops.

    ``environment`` changes what a training of a minute could not show: a warm-up of twenty steps, a
    learning rate that falls over more steps than there are, a line of log every fifty.
    ``train_seconds`` are the most and the fewest of one training, all of it included, and
    ``compile_seconds`` what the first one of a model needs besides. Windows are
    of 1,024 tokens in full; of longer ones there are fewer. ``tensor`` is the side of a matrix that
    is multiplied by itself, ``block_mib`` what is copied, ``forward_tokens`` what a bare loop asks
    at once.
    """

    name: str
    smoke: bool
    total_seconds: float
    train_seconds: tuple[float, float]
    validation_tokens: int
    rate_windows: int
    probes: int
    noise_windows: int
    repeats: int
    tensor: int
    block_mib: int
    watch_seconds: float
    compile_seconds: float = 0.0
    environment: tuple[tuple[str, str], ...] = ()
    workers: int = 8

    def as_json(self) -> dict[str, Any]:
        """As it is handed to a step."""
        return asdict(self)

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Size":
        """The inverse of :meth:`as_json`."""
        pairs = tuple((str(name), str(text)) for name, text in given["environment"])
        most, fewest = given["train_seconds"]
        return cls(**{**given, "environment": pairs, "train_seconds": (most, fewest)})


FULL = Size(
    name="full",
    smoke=False,
    total_seconds=530,
    train_seconds=(90, 40),
    compile_seconds=20,
    validation_tokens=130_000,
    rate_windows=8_192,
    probes=20_000,
    noise_windows=512,
    repeats=10,
    tensor=8_192,
    block_mib=1_024,
    watch_seconds=5,
    environment=(
        ("WARMUP_STEPS", "3"),
        ("WARMDOWN_ITERS", "20"),
        ("TRAIN_LOG_EVERY", "10"),
        ("FINISH_RESERVE_SECONDS", "10"),  # artifact, and the checkpoint beside it
    ),
)
SMALL = Size(
    name="small",
    smoke=True,
    total_seconds=420,
    train_seconds=(25, 25),
    validation_tokens=9_000,
    rate_windows=128,
    probes=200,
    noise_windows=32,
    repeats=10,
    tensor=512,
    block_mib=32,
    watch_seconds=1,
    environment=(
        ("ITERATIONS", "40"),  # it ends by itself: on a busy machine no budget is short and enough
        ("WARMDOWN_ITERS", "10"),
        ("TRAIN_LOG_EVERY", "10"),
        ("CALIBRATION_SECONDS", "1"),
    ),
    workers=2,
)
TINY = Size(
    name="tiny",
    smoke=True,
    total_seconds=150,
    train_seconds=(30, 30),
    validation_tokens=2_500,
    rate_windows=16,
    probes=30,
    noise_windows=8,
    repeats=3,
    tensor=64,
    block_mib=4,
    watch_seconds=0.5,
    environment=(
        ("ITERATIONS", "3"),
        ("TRAIN_LOG_EVERY", "1"),
        ("NUM_LAYERS", "2"),
        ("MODEL_DIM", "32"),
        ("CALIBRATION_SECONDS", "1"),
    ),
    workers=2,
)
SIZES = {size.name: size for size in (FULL, SMALL, TINY)}
