"""Whether the record fell: the seeds' scores against the bar less the margin.

The unit of the test is BPB. The margin is given in nats per token, as the field does, and
converted with the tokens per byte of the track's dataset.
"""

from collections.abc import Sequence

from harness.judge.verdict import StatisticsResult
from harness.statistics.power import seeds_for_power
from harness.statistics.tests import one_sample
from harness.statistics.units import bpb_to_nats_per_token, nats_per_token_to_bpb


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
    test = one_sample(values, threshold=threshold)
    needed = None
    if test.case == "tested" and test.mean is not None and test.deviation is not None:
        needed = seeds_for_power(
            distance=threshold - test.mean, sd=test.deviation, p_below=p_below, power=0.9
        )
    return StatisticsResult(
        case=test.case,
        n=test.n,
        mean_bpb=test.mean,
        mean_nats_per_token=None
        if test.mean is None
        else bpb_to_nats_per_token(test.mean, tokens=targets, text_bytes=text_bytes),
        sd_bpb=test.deviation,
        t=test.t,
        degrees_of_freedom=None if test.deviation is None else test.n - 1,
        p=test.p,
        p_below=p_below,
        ci99_bpb=test.interval_99,
        bar_bpb=bar_bpb,
        bar_source=bar_source,
        margin_nats_per_token=margin_nats_per_token,
        margin_bpb=margin_bpb,
        threshold_bpb=threshold,
        seeds_for_power_90=needed,
        significant=test.p is not None and test.p < p_below,
    )
