"""Tests of means, as the field asks for them: numbers in, numbers out.

Source of the moderated test: an inverse-chi-square prior on the variance of the seeds, as in limma
(Smyth 2004), with the field's own deviation; never less than it is taken, and where the seeds
scatter by more than twice as much the plain test has to agree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev, variance
from typing import Literal

Case = Literal[
    "tested", "no seeds", "one seed", "zero variance", "not finite", "no bar", "no record seeds"
]

GUARD = 2.0
"""Seeds that scatter by more than so many times the field's deviation are tested plainly too."""


@dataclass(frozen=True)
class Prior:
    """What the field's deviation is known to be, and how many degrees of freedom that is worth."""

    sd: float
    degrees: float


@dataclass(frozen=True)
class OneSample:
    """A one-sided one-sample t-test; what is not defined in its ``case`` is None.

    ``t`` and ``p`` are those of "the mean lies below the threshold"; ``interval_99`` is the
    two-sided 99 % confidence interval of the mean. ``deviation`` is that of the sample,
    ``tested_deviation`` the one that ``t`` was reckoned with, of ``degrees`` of freedom.
    ``plain_p`` is that of the t-test without a prior; ``guarded``: it counts, being the larger one.
    """

    case: Case
    n: int
    mean: float | None = None
    deviation: float | None = None
    t: float | None = None
    p: float | None = None
    interval_99: tuple[float, float] | None = None
    tested_deviation: float | None = None
    degrees: float | None = None
    plain_p: float | None = None
    guarded: bool = False


def one_sample(
    values: Sequence[float], *, threshold: float | None, prior: Prior | None = None
) -> OneSample:
    """Test whether the mean of ``values`` lies below ``threshold``, both in the same unit.

    Without a threshold nothing is tested; mean, deviation and interval are given all the same.
    With a prior the test is the guarded moderated one, which identical values have a result in too.
    """
    n = len(values)
    if n == 0:
        return OneSample("no seeds", n)
    if not all(math.isfinite(value) for value in values):
        return OneSample("not finite", n)
    mean = fmean(values)
    if n == 1:
        return OneSample("one seed", n, mean)
    deviation = stdev(values)
    # Identical values up to rounding: the t statistic would be rounding noise.
    no_spread = deviation <= max(1e-12 * abs(mean), 1e-100)
    if no_spread and prior is None:
        return OneSample("zero variance", n, mean, deviation)
    tested, degrees = _moderated(deviation, n, prior)
    error = tested / math.sqrt(n)
    half_width = _quantile(degrees, 0.995) * error
    interval = (mean - half_width, mean + half_width)
    if threshold is None:
        return OneSample("no bar", n, mean, deviation, None, None, interval, tested, degrees)
    t = (mean - threshold) / error
    p = _below(degrees, t)
    plain_p = None
    if not no_spread:
        plain_p = _below(n - 1, (mean - threshold) / (deviation / math.sqrt(n)))
    guarded = False
    if prior is not None and plain_p is not None and deviation > GUARD * prior.sd and plain_p > p:
        p, guarded = plain_p, True
    return OneSample(
        "tested", n, mean, deviation, t, p, interval, tested, degrees, plain_p, guarded
    )


def _moderated(deviation: float, n: int, prior: Prior | None) -> tuple[float, float]:
    """The deviation to test with, and its degrees of freedom."""
    if prior is None:
        return deviation, n - 1
    degrees = prior.degrees + n - 1
    floored = max(deviation, prior.sd)
    square = (prior.degrees * prior.sd**2 + (n - 1) * floored**2) / degrees
    return math.sqrt(square), degrees


@dataclass(frozen=True)
class TwoSample:
    """A t-test of the difference of two means, ``mean(second) - mean(first)``, less ``shift``.

    ``p_below`` is the one-sided p of "the difference lies below ``shift``", ``p`` the two-sided
    one; ``interval_99`` holds the difference.
    """

    difference: float
    error: float
    degrees: float
    t: float
    p: float
    p_below: float
    interval_99: tuple[float, float]
    guarded: bool = False


def welch(
    first: Sequence[float], second: Sequence[float], *, shift: float = 0.0
) -> TwoSample | None:
    """Welch's t-test; None of fewer than two values, of values not finite or without any spread."""
    if min(len(first), len(second)) < 2 or not all(map(math.isfinite, (*first, *second))):
        return None
    parts = [variance(values) / len(values) for values in (first, second)]
    total = math.fsum(parts)
    difference = fmean(second) - fmean(first)
    if total <= (1e-12 * max(abs(fmean(first)), abs(fmean(second)))) ** 2 or total < 1e-200:
        return None
    degrees = total**2 / math.fsum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True)
    )
    return _two_sample(difference, math.sqrt(total), degrees, shift)


def difference(first: Sequence[float], second: Sequence[float], *, prior: Prior) -> TwoSample:
    """Whether two recipes differ: the seed run is the unit, its deviation the moderated pooled one.

    Where one of them scatters by more than twice the field's deviation, Welch's test has to agree.

    Raises:
        ValueError: one of them is empty or not finite, or the prior knows nothing.
    """
    if not first or not second or not all(map(math.isfinite, (*first, *second))):
        raise ValueError("expected finite values on both sides")
    if prior.sd <= 0 or prior.degrees <= 0:
        raise ValueError("expected a deviation and degrees of freedom above 0")
    sizes = (len(first), len(second))
    spreads = [stdev(values) if len(values) > 1 else 0.0 for values in (first, second)]
    degrees = prior.degrees + sum(sizes) - 2
    square = prior.degrees * prior.sd**2 + math.fsum(
        (size - 1) * spread**2 for size, spread in zip(sizes, spreads, strict=True)
    )
    deviation = max(prior.sd, math.sqrt(square / degrees))
    error = deviation * math.sqrt(1 / sizes[0] + 1 / sizes[1])
    found = _two_sample(fmean(second) - fmean(first), error, degrees, 0.0)
    plain = welch(first, second)
    if plain is not None and max(spreads) > GUARD * prior.sd and plain.p > found.p:
        return replace(plain, guarded=True)
    return found


def _two_sample(found: float, error: float, degrees: float, shift: float) -> TwoSample:
    t = (found - shift) / error
    half_width = _quantile(degrees, 0.995) * error
    return TwoSample(
        difference=found,
        error=error,
        degrees=degrees,
        t=t,
        p=2 * _below(degrees, -abs(t)),
        p_below=_below(degrees, t),
        interval_99=(found - half_width, found + half_width),
    )


def _below(degrees: float, t: float) -> float:
    from scipy import special  # a fifth of the time that scipy.stats takes to load

    return float(special.stdtr(degrees, t))


def _quantile(degrees: float, p: float) -> float:
    from scipy import special

    return float(special.stdtrit(degrees, p))
