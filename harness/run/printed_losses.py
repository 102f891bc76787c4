"""What a script printed while it ran whole: its losses, and which of them ours is."""

from collections.abc import Sequence

from harness.evidence.results import TOLERANCE_NATS
from harness.upstream.logs.scorings import Scoring

_FEWEST_DECIMALS = 4


def printed_as(printed: Sequence[Scoring], loss: float) -> Scoring | None:
    """Which of the printed losses ours is: the sharpest one that it agrees with, or the nearest.

    A script prints several: of the model as it was trained, by other windows, of what learned while
    it scored. Which of them the bridge leads to is known by the loss alone; two of them hardly ever
    agree to as many digits as are asked for.
    """

    def key(each: Scoring) -> tuple[bool, float, float]:
        return not agrees_with(each, loss), tolerance_of(each), abs((each.val_loss or 0.0) - loss)

    sharp = [each for each in printed if each.val_loss is not None]
    agreeing = [each for each in sharp if not key(each)[0]]
    if agreeing:
        return min(agreeing, key=key)
    return min(sharp, key=lambda each: key(each)[2], default=None)


def tolerance_of(scoring: Scoring) -> float:
    """Ours, and half of the last digit that was printed."""
    return TOLERANCE_NATS + 0.5 * 10.0**-scoring.decimals


def agrees_with(scoring: Scoring, loss: float) -> bool:
    """Whether a printed loss is ours, to the digits that it has."""
    apart = abs((scoring.val_loss or 0.0) - loss)
    return apart <= tolerance_of(scoring)


def is_sharp(scoring: Scoring) -> bool:
    """Whether it was printed with enough digits to tell models apart."""
    return scoring.val_loss is not None and scoring.decimals >= _FEWEST_DECIMALS
