"""How many seeds a difference needs to be seen."""

import functools
import math

MOST_SEEDS_FOR_POWER = 1000


@functools.lru_cache(maxsize=4096)
def seeds_for_power(*, distance: float, sd: float, p_below: float, power: float) -> int | None:
    """Fewest seeds whose t-test falls below ``p_below`` with probability ``power``.

    ``distance`` is how far the true mean lies below the threshold, ``sd`` the spread of the
    seeds, in the same unit. None when the mean is not below the threshold, or more than
    ``MOST_SEEDS_FOR_POWER`` seeds would be needed.
    """
    if distance <= 0 or sd <= 0:
        return None

    def reached(n: int) -> bool:
        return power_of(n, distance / sd, p_below=p_below) >= power

    # Power grows with n. Most answers are small, so the search starts there.
    low, high = 1, 2
    while not reached(high):
        if high == MOST_SEEDS_FOR_POWER:
            return None
        low, high = high, min(2 * high, MOST_SEEDS_FOR_POWER)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def power_of(n: int, effect: float, *, p_below: float) -> float:
    """The probability that ``n`` seeds fall below; ``effect`` is distance / sd."""
    from scipy import special

    critical = float(special.stdtrit(n - 1, 1 - p_below))
    shift = effect * math.sqrt(n)
    # Far out the noncentral t is not computable, and not needed.
    power = 1 - float(special.nctdtr(n - 1, shift, critical)) if shift < 30 else math.nan
    return _power_by_integration(critical, n - 1, shift) if math.isnan(power) else power


def _power_by_integration(critical: float, df: int, shift: float) -> float:
    """P(T > critical) for large shifts, where T is near shift / sqrt(chi2 / df)."""
    from scipy import special

    return float(special.chdtr(df, df * (shift / critical) ** 2))
