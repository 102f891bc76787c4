"""What is asked of an entry's scores: the bar and the test, under the rules that judge.

Both are the track's own, because its digest covers them. What a plan holds counts only where it is
harder: a record that a leaderboard held, and what earlier tries have left of the level.
"""

from harness.contest.significance import Look
from harness.contest.track import Track
from harness.evidence.plan import Bar, DatasetFacts, Plan, PlannedTest
from harness.statistics.looks import spent


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
    if own is None or track.bar is None or plan.once_blind:
        return None
    record = plan.bar if plan.bar is not None and plan.bar.verdict_sha256 else None
    same_contest = track.bar.leaderboard and track.name == plan.track.name
    return record if record and same_contest and record.bpb < own.bpb else own


def asked_test(track: Track) -> PlannedTest | None:
    """The test of significance that a track asks for; None where it sets no level."""
    asked = track.significance
    if asked.margin_nats_per_token is None or asked.p_below is None:
        return None
    return PlannedTest(
        kind=asked.test or "plain",
        margin_nats_per_token=asked.margin_nats_per_token,
        p_below=asked.p_below,
        field_sd_bpb=asked.field_sd_bpb,
        field_degrees=asked.field_degrees,
        source=asked.source or "",
        looks=asked.looks or (),
    )


def asked_under(plan: Plan, track: Track) -> PlannedTest | None:
    """The test that a plan's seeds must pass under a track, with every look.

    It is the track's own, because the track's digest covers it. Of the test in a plan only the
    level counts, what earlier tries have left of the plan's own track's; and all of it only where
    that track names no test, with no fewer seeds and no higher level than it asks for.
    """
    planned = plan.test if track.digest == plan.track.digest else None
    test = asked_test(track)
    if test is None or plan.once_blind:
        return None
    test = test.at_level(_left(plan, track, planned, test.p_below))
    asked, most = track.significance, track.significance.most_runs
    one = Look(runs=most, accept_below=test.p_below)
    if planned is not None and asked.test is None and asked.looks is None:
        whole = planned.looks and planned.looks[-1].runs == most
        whole = whole and all(look.accept_below is None for look in planned.looks[:-1])
        looks = [_capped(look, test.p_below) for look in planned.looks] if whole else [one]
        own = {"p_below": test.p_below, "margin_nats_per_token": test.margin_nats_per_token}
        return planned.model_copy(update={**own, "looks": tuple(looks)})
    return test if test.looks else test.model_copy(update={"looks": (one,)})


def _left(plan: Plan, track: Track, planned: PlannedTest | None, level: float) -> float:
    """What earlier tries leave of a track's level, as the plan counts them."""
    levels = [level]
    if planned is not None:
        levels.append(planned.p_below)
    if track.significance.spending:
        levels.append(spent(level, earlier=plan.tries.by_author))
    return min(levels)


def _capped(look: Look, level: float) -> Look:
    accept_below = look.accept_below
    return look.model_copy(
        update={"accept_below": None if accept_below is None else min(accept_below, level)}
    )
