"""Seeds that nobody chose, and the t-test that says whether the record fell.

The unit of the test is BPB. The margin is given in nats per token, as the field does, and
converted with the tokens per byte of the dataset that was scored.
"""

import hashlib
import math
from collections.abc import Sequence
from statistics import fmean, stdev

from harness.verdict import StatisticsResult

MOST_SEEDS_FOR_POWER = 1000


def draw_seeds(*, submission_digest: str, track_digest: str, nonce: str, count: int) -> list[int]:
    """``count`` distinct seeds in [0, 2**31), a function of the digests and the nonce.

    The nonce is drawn by the harness and fixed on disk before the first run, so that neither
    the submitter (who knows the digests) nor a second try at the same nonce can choose.
    """
    seeds: list[int] = []
    index = 0
    while len(seeds) < count:
        material = f"seed\0{submission_digest}\0{track_digest}\0{nonce}\0{index}".encode()
        seed = int.from_bytes(hashlib.sha256(material).digest()[:4], "big") >> 1
        if seed not in seeds:
            seeds.append(seed)
        index += 1
    return seeds


def nats_per_token_to_bpb(nats: float, *, tokens: int, text_bytes: int) -> float:
    """Convert a loss or a margin from nats per token to bits per byte of text."""
    return nats / math.log(2) * tokens / text_bytes


def bpb_to_nats_per_token(bpb: float, *, tokens: int, text_bytes: int) -> float:
    """Convert bits per byte of text to nats per token."""
    return bpb * math.log(2) * text_bytes / tokens


def compare_with_bar(
    values: Sequence[float],
    *,
    bar_bpb: float,
    bar_source: str,
    margin_nats_per_token: float,
    p_below: float,
    targets: int,
    text_bytes: int,
) -> StatisticsResult:
    """Test whether the mean of ``values`` (BPB, one a seed) lies below the bar less the margin.

    One-sided one-sample t-test. ``targets`` and ``text_bytes`` are those of the validation
    split; they convert between nats per token and BPB.
    """
    margin_bpb = nats_per_token_to_bpb(margin_nats_per_token, tokens=targets, text_bytes=text_bytes)
    threshold = bar_bpb - margin_bpb
    n = len(values)
    shared = {
        "n": n,
        "p_below": p_below,
        "bar_bpb": bar_bpb,
        "bar_source": bar_source,
        "margin_nats_per_token": margin_nats_per_token,
        "margin_bpb": margin_bpb,
        "threshold_bpb": threshold,
    }
    if n == 0:
        return StatisticsResult(case="no seeds", significant=False, **shared)
    if not all(math.isfinite(value) for value in values):
        return StatisticsResult(case="not finite", significant=False, **shared)
    mean = fmean(values)
    shared["mean_bpb"] = mean
    shared["mean_nats_per_token"] = bpb_to_nats_per_token(
        mean, tokens=targets, text_bytes=text_bytes
    )
    if n == 1:
        return StatisticsResult(case="one seed", significant=False, **shared)
    sd = stdev(values)
    shared |= {"sd_bpb": sd, "degrees_of_freedom": n - 1}
    # Identical values up to rounding: the t statistic would be rounding noise.
    if sd <= 1e-12 * abs(mean):
        return StatisticsResult(case="zero variance", significant=False, **shared)

    from scipy import stats

    test = stats.ttest_1samp(list(values), popmean=threshold, alternative="less")
    half_width = float(stats.t.ppf(0.995, n - 1)) * sd / math.sqrt(n)
    p = float(test.pvalue)
    return StatisticsResult(
        case="tested",
        t=float(test.statistic),
        p=p,
        ci99_bpb=(mean - half_width, mean + half_width),
        seeds_for_power_90=seeds_for_power(
            distance=threshold - mean, sd=sd, p_below=p_below, power=0.9
        ),
        significant=p < p_below,
        **shared,
    )


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
