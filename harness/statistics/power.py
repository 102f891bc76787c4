"""How many seeds a difference needs to be seen."""

import math

MOST_SEEDS_FOR_POWER = 1000


def seeds_for_power(*, distance: float, sd: float, p_below: float, power: float) -> int | None:
    """Fewest seeds whose t-test falls below ``p_below`` with probability ``power``.

    ``distance`` is how far the true mean lies below the threshold, ``sd`` the spread of the
    seeds, in the same unit. None when the mean is not below the threshold, or more than
    ``MOST_SEEDS_FOR_POWER`` seeds would be needed.
    """
    if distance <= 0 or sd <= 0:
        return None

    from scipy import stats

    for n in range(2, MOST_SEEDS_FOR_POWER + 1):
        critical = float(stats.t.ppf(1 - p_below, n - 1))
        shift = distance / sd * math.sqrt(n)
        # Far out the noncentral t is not computable, and not needed.
        reached = float(stats.nct.sf(critical, n - 1, shift)) if shift < 30 else math.nan
        if math.isnan(reached):
            reached = _power_by_integration(critical, n - 1, shift)
        if reached >= power:
            return n
    return None


def _power_by_integration(critical: float, df: int, shift: float) -> float:
    """P(T > critical) for large shifts, where T is near shift / sqrt(chi2 / df)."""
    from scipy import stats

    return float(stats.chi2.cdf(df * (shift / critical) ** 2, df))
