"""What questions that were asked again say of a mean gain: bounds, and how many they need.

All changes are in nats, "asked again" less "scored": above 0, the score was too good. Sources: a
normal interval for the mean, and for what few dear targets may hide from a sample of ``count``,
``(1 - mu / dearest) ** count``, the chance that no target of theirs was drawn.

Questions may be drawn in two halves: one uniformly, one with probability proportional to a target's
gap, how far it was scored below what a plain model pays for it. Then ``N q = 1/2 + gap / (2 mean
gap)`` is how much likelier than uniformly a target is drawn, ``d / (N q)`` takes the place of a
change ``d``, and its mean is still that of all targets (:func:`likelihoods`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a gate in which nothing heavy is imported asks for these bounds, too
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Z_99 = 2.5758293035489004
"""Of a two-sided normal interval of 99 %."""
Z_ONE_SIDED_99 = 2.3263478740408408
FAILS_AT = 3.0
"""Standard errors by which a mean must exceed a tolerance to fail it."""
GAP_NOISE = 1.18
"""Times the deviation of honest answers, where half of the questions are drawn by gap: measured on
n-gram costs of English (1.14 to 1.15 on source code), and never above the root of 2, because no
target is less than half as likely as uniformly."""
CERTAINTY = math.log(200)
"""-ln of a chance of half of 1 %: the rest of what the two-sided interval leaves."""


@dataclass(frozen=True)
class Sample:
    """``count`` changes: their mean, standard deviation, and the standard error of the variance."""

    count: int
    mean: float
    sd: float
    variance_error: float

    @property
    def error(self) -> float:
        """Standard error of the mean; of no questions, without bound."""
        return self.sd / math.sqrt(self.count) if self.count else math.inf


def pooled(samples: Sequence[Sample]) -> Sample:
    """Several samples as one: one code, one cheat."""
    count = sum(sample.count for sample in samples)
    if not count:
        return Sample(0, 0.0, 0.0, 0.0)
    mean = math.fsum(s.count * s.mean for s in samples) / count
    square = math.fsum(s.count * (s.sd**2 + (s.mean - mean) ** 2) for s in samples) / count
    error = math.sqrt(math.fsum((s.count * s.variance_error) ** 2 for s in samples)) / count
    return Sample(count, mean, math.sqrt(square), error)


def reach(count: int, population: int) -> float:
    """How many independent draws find as much as ``count`` different ones of ``population`` do.

    Of ``k`` targets, ``count`` different draws miss all with a chance below
    ``(1 - count / population) ** k``; where all were drawn, nothing is missed.
    """
    return math.inf if count >= population else -population * math.log1p(-count / population)


def reach_of_halves(*, uniform: int, by_gap: int, population: int) -> float:
    """As :func:`reach`, where ``uniform`` different targets and ``by_gap`` others were drawn.

    Targets of a share ``u`` of all and a share ``v`` of all gaps are missed with a chance below
    ``exp(-(a u + b v))``, where the halves reach ``a`` and ``b``, and so below that of twice the
    lesser, drawn with probability ``(u + v) / 2`` each.
    """
    reached = reach(uniform, population)
    return reached if math.isinf(reached) else 2 * min(reached, by_gap)


def likelihoods(gaps: Floats, *, mean_gap: float) -> Floats:
    """``N q`` of targets with gaps float64[K]: how much likelier than uniformly they are drawn."""
    return 0.5 + gaps / (2 * mean_gap)


def upper_bound(sample: Sample, *, dearest: float, reached: float | None = None) -> float:
    """What the mean gain is below, with 99 % certainty.

    ``dearest`` is the most that one target can gain. ``reached``: see :func:`reach`, summed over
    runs; as many as were asked when not given.
    """
    if not sample.count:
        return math.inf
    missed = dearest * CERTAINTY / (sample.count if reached is None else reached)
    return sample.mean + Z_99 * sample.error + missed


def lower_bound(sample: Sample) -> float:
    """What the mean gain is above, for all that chance could do."""
    return sample.mean - FAILS_AT * sample.error if sample.count else -math.inf


def questions_needed(
    *, tolerance: float, sd: float, dearest: float, runs: int, population: int | None = None
) -> int:
    """Different questions for each of ``runs``, so that an honest model passes with 99 %.

    Args:
        tolerance: the mean gain below which the upper bound must lie.
        sd: standard deviation of an honest model's changes.
        dearest: the most that one target can gain.
        runs: whose questions are pooled.
        population: how many questions there are; without bound when not given.
    """
    linear = (Z_ONE_SIDED_99 + Z_99) * sd
    root = (linear + math.sqrt(linear**2 + 4 * tolerance * dearest * CERTAINTY)) / (2 * tolerance)
    draws = root * root / runs
    if population is None:
        return math.ceil(draws)
    return min(population, math.ceil(-population * math.expm1(-draws / population)))


def excess_variance(changes: Sample, noise: Sample) -> float:
    """How much more the answers may vary than questions asked twice unchanged do, in nats squared.

    An answer that was thought out elsewhere to be as good as a look ahead does not repeat that
    look's answer, so it shows here even where the mean does not move.
    """
    error = math.hypot(changes.variance_error, noise.variance_error)
    return changes.sd**2 - noise.sd**2 + Z_99 * error


def largest_hidden_gain(*, tolerance: float, sd: float, dearest: float, count: int) -> float:
    """The mean gain that still passes one time in a hundred, however it is made.

    The worse of two ways: a little at every target, which the mean shows but for luck, or
    ``dearest`` at few targets, which the sample may miss.
    """
    error = sd / math.sqrt(count)
    everywhere = tolerance - (Z_99 - Z_ONE_SIDED_99) * error - dearest * CERTAINTY / count
    few = min(tolerance, dearest * (1 - math.pow(0.01, 1 / count)))
    return max(everywhere, few, 0.0)
