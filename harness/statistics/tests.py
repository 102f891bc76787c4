"""Tests of a mean, as the field asks for them: numbers in, numbers out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

Case = Literal["tested", "no seeds", "one seed", "zero variance", "not finite", "no bar"]


@dataclass(frozen=True)
class OneSample:
    """A one-sided one-sample t-test; what is not defined in its ``case`` is None.

    ``t`` and ``p`` are those of "the mean lies below the threshold"; ``interval_99`` is the
    two-sided 99 % confidence interval of the mean.
    """

    case: Case
    n: int
    mean: float | None = None
    deviation: float | None = None
    t: float | None = None
    p: float | None = None
    interval_99: tuple[float, float] | None = None


def one_sample(values: Sequence[float], *, threshold: float | None) -> OneSample:
    """Test whether the mean of ``values`` lies below ``threshold``, both in the same unit.

    Without a threshold nothing is tested; mean, deviation and interval are given all the same.
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
    if deviation <= 1e-12 * abs(mean):
        return OneSample("zero variance", n, mean, deviation)

    from scipy import stats

    half_width = float(stats.t.ppf(0.995, n - 1)) * deviation / math.sqrt(n)
    interval = (mean - half_width, mean + half_width)
    if threshold is None:
        return OneSample("no bar", n, mean, deviation, interval_99=interval)
    test = stats.ttest_1samp(list(values), popmean=threshold, alternative="less")
    figures = (float(test.statistic), float(test.pvalue), interval)
    return OneSample("tested", n, mean, deviation, *figures)
