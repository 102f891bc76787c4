"""Whether the record fell: compares the seeds' scores with the bar minus the margin.

The unit of the test is BPB. The margin is given in nats per token, as the field does, and
converted with the tokens per byte of the track's own dataset, whatever tokenizer an entry uses.
"""

from collections.abc import Sequence

from harness.contest.account import account_of
from harness.contest.track import Track
from harness.evidence.plan import Bar, DatasetFacts, Plan
from harness.judge.verdict import SpendingResult, StatisticsResult
from harness.statistics.looks import spent
from harness.statistics.power import seeds_for_power
from harness.statistics.tests import one_sample
from harness.statistics.units import bpb_to_nats_per_token, nats_per_token_to_bpb


def own_bar(track: Track, dataset: DatasetFacts) -> Bar | None:
    """The track's own score to beat: a figure, or a baseline of its dataset."""
    if track.bar is None:
        return None
    bpb = track.bar.bpb
    if bpb is None:
        # Without the baseline in the manifest there is no bar; no score can be below 0.
        bpb = dataset.baselines.get(track.bar.baseline or "", 0.0)
    return Bar(bpb=bpb, source=track.bar.source)


def bar_under(plan: Plan, track: Track) -> Bar | None:
    """The score to beat under a track: its own figure, or the record when the plan was made.

    The track's own bar always counts, because the track's digest covers it. The bar in a plan
    counts only as the record that a leaderboard held, only on the plan's own track, and only if it
    is harder to beat.
    """
    own = own_bar(track, plan.texts.dataset)
    if own is None or track.bar is None:
        return None
    record = plan.bar if plan.bar is not None and plan.bar.verdict_sha256 else None
    same_contest = track.bar.leaderboard and track.name == plan.track.name
    return record if record and same_contest and record.bpb < own.bpb else own


def compare_with_bar(values: Sequence[float], *, plan: Plan, track: Track) -> StatisticsResult:
    """Test whether the mean of ``values`` (BPB of each seed run) is below the bar minus margin.

    One-sided one-sample t-test; without a bar, only the mean and the spread.
    """
    bar, significance = bar_under(plan, track), track.significance
    dataset = plan.texts.dataset
    return compare(
        values,
        bar_bpb=bar.bpb if bar else None,
        bar_source=bar.source if bar else "",
        margin_nats_per_token=significance.margin_nats_per_token if bar else None,
        p_below=_p_below(plan, track) if bar else None,
        targets=dataset.validation_tokens - 1,
        text_bytes=dataset.validation_bytes,
    )


def _p_below(plan: Plan, track: Track) -> float | None:
    """The track's level of significance, less what earlier tries on the plan's track have used."""
    level = track.significance.p_below
    if level is not None and track.significance.spending:
        level = spent(level, earlier=plan.tries.by_author)
    if level is None or plan.test is None or track.digest != plan.track.digest:
        return level
    return min(level, plan.test.p_below)


def spending_under(plan: Plan, track: Track) -> SpendingResult | None:
    """How earlier tries of the same author are charged, where a track charges them."""
    level = track.significance.p_below
    if level is None or not track.significance.spending:
        return None
    earlier = plan.tries.by_author
    return SpendingResult(account=account_of(plan.entry), earlier=earlier, level=level)


def compare(
    values: Sequence[float],
    *,
    bar_bpb: float | None,
    bar_source: str,
    margin_nats_per_token: float | None,
    p_below: float | None,
    targets: int,
    text_bytes: int,
) -> StatisticsResult:
    """The test, from plain figures.

    ``targets`` and ``text_bytes`` are those of the validation split in the dataset's own tokens;
    they convert between nats per token and BPB.
    """
    margin_bpb = threshold = None
    if bar_bpb is not None and margin_nats_per_token is not None:
        margin_bpb = nats_per_token_to_bpb(
            margin_nats_per_token, tokens=targets, text_bytes=text_bytes
        )
        threshold = bar_bpb - margin_bpb
    test = one_sample(values, threshold=threshold)
    needed = None
    if threshold is not None and p_below is not None and test.case == "tested":
        assert test.mean is not None and test.deviation is not None  # noqa: S101 - it was tested
        needed = seeds_for_power(
            distance=threshold - test.mean, sd=test.deviation, p_below=p_below, power=0.9
        )
    mean_nats = None
    if test.mean is not None:
        mean_nats = bpb_to_nats_per_token(test.mean, tokens=targets, text_bytes=text_bytes)
    return StatisticsResult(
        case=test.case,
        n=test.n,
        mean_bpb=test.mean,
        mean_nats_per_token=mean_nats,
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
        significant=test.p is not None and p_below is not None and test.p < p_below,
        targets=targets,
        text_bytes=text_bytes,
    )
