"""Rounds the 32-bit scores of a Unigram model to eight bits."""

import math
import struct
from collections.abc import Sequence

_LEAST_RANGE = 2.0**-14
"""Scores whose range is a smaller part of the largest of them count as equal: float32 could not
tell 256 levels between them."""


def levels_of(scores: Sequence[float]) -> tuple[bytes, tuple[float, float]]:
    """Round scores to the nearest of 256 levels, evenly spaced from the lowest to the highest.

    Returns:
        A byte for each score, and the scores of level 0 and level 255, which stay exact (float32).
        If all scores are almost equal, all get the lowest level.

    Raises:
        ValueError: a score is not a finite number.
    """
    if not all(math.isfinite(score) for score in scores):
        raise ValueError("a piece has a score that is not a finite number")
    if not scores:
        return b"", (0.0, 0.0)
    low, high = min(scores) + 0.0, max(scores) + 0.0  # + 0.0 turns -0.0 into 0.0
    if high - low <= _LEAST_RANGE * max(abs(low), abs(high)):
        return bytes(len(scores)), (low, low)
    levels = bytes(round((score - low) / (high - low) * 255) for score in scores)
    return levels, (low, high)


def score_at(level: int, ends: tuple[float, float]) -> float:
    """The score of a level, float32; levels 0 and 255 give exactly the two ends."""
    low, high = ends
    score = low * ((255 - level) / 255) + high * (level / 255)
    [found] = struct.unpack("<f", struct.pack("<f", score))
    return float(found)
