"""A run that is hopeless by its score is not asked again; none that is not asked is accepted."""

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.contest.significance import Look, Significance
from harness.evidence.run import Run
from harness.judge.hopeless import hopeless, hopeless_by_score
from harness.judge.rules import rule_of
from harness.statistics.tests import one_sample
from tests.factories.broken import PLAN
from tests.factories.plans import plan, strict_track
from tests.factories.runs import good_runs, seed_run, verdict_of

LOOKS = Significance(
    looks=(
        Look(runs=1, hopeless_above_sd=3),
        Look(runs=2, hopeless_above_sd=1.5),
        Look(runs=3, accept_below=0.005, hopeless_above_sd=0.5),
        Look(runs=5, hopeless_above_sd=0),
        Look(runs=8, accept_below=0.005),
    ),
    margin_nats_per_token=0.005,
    p_below=0.01,
    test="moderated",
    field_sd_bpb=0.01,
    field_degrees=4,
    source="a test",
)
LINE = 3.0
SOME = st.lists(st.floats(2.9, 3.1), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("scores", "stopped_after"),
    [
        ([3.031], 1),
        ([3.029], None),
        ([3.029, 3.002], 2),
        ([3.029, 2.99], None),
        ([3.014, 3.014, 3.01], 3),
        ([3.01, 3.0, 3.0], None),
        ([3.01, 3.0, 3.0, 3.0], None),
        ([3.01, 3.0, 3.0, 3.0, 3.0], 5),
        ([2.99, 2.99, 2.99, 3.1, 3.1], None),  # it may have been accepted after the third
        ([3.031, 2.0, 2.0], 1),
    ],
)
def test_each_look_stops_what_lies_too_far_above_the_line(
    scores: list[float], stopped_after: int | None
) -> None:
    why = hopeless(LOOKS, scores, threshold=LINE)
    assert why.startswith(f"after {stopped_after} of 8 runs") if stopped_after else not why


def test_a_track_without_looks_stops_nothing() -> None:
    fixed = Significance(seeds=3, margin_nats_per_token=0.005, p_below=0.01)
    assert not hopeless(fixed, [9.0, 9.0, 9.0], threshold=LINE)


@given(SOME)
def test_no_test_accepts_what_is_hopeless_at_the_same_look_or_before(scores: list[float]) -> None:
    why = hopeless(LOOKS, scores, threshold=LINE)
    if not why:
        return
    stopped = int(why.split()[1])
    for look in LOOKS.schedule:
        if look.runs <= stopped and look.accept_below is not None:
            p = one_sample(scores[: look.runs], threshold=LINE).p
            assert p is None or p >= look.accept_below
    assert fmean(scores[:stopped]) > LINE


@given(SOME, SOME)
def test_what_is_hopeless_stays_so_whatever_follows(first: list[float], more: list[float]) -> None:
    why = hopeless(LOOKS, first, threshold=LINE)
    assert not why or hopeless(LOOKS, [*first, *more], threshold=LINE) == why


STRICT = plan(strict_track(significance=LOOKS))
ABOVE, BELOW = 9.0, 2.0


def scored(number: int, bpb: float) -> Run:
    return seed_run(STRICT.draws_for("look")[number], bpb)


def test_a_run_is_judged_with_all_that_were_drawn_before_it() -> None:
    assert hopeless_by_score(STRICT, [], scored(0, ABOVE))
    assert not hopeless_by_score(STRICT, [], scored(0, BELOW))
    assert hopeless_by_score(STRICT, [scored(0, ABOVE)], scored(1, BELOW))
    assert not hopeless_by_score(STRICT, [], scored(1, ABOVE))  # the first is not scored yet
    running = scored(0, ABOVE).model_copy(update={"ended": False})
    assert not hopeless_by_score(STRICT, [running], scored(1, ABOVE))  # it may yet be lost


def test_lost_tries_count_with_the_one_that_follows() -> None:
    later = scored(0, ABOVE).model_copy(update={"beside": (-100.0,)})
    assert not hopeless_by_score(STRICT, [], later)


def test_without_a_bar_nothing_is_hopeless() -> None:
    bare = plan(strict_track(bar=None, significance=Significance(seeds=3)))
    assert not hopeless_by_score(bare, [], seed_run(bare.draws[0], ABOVE))


def spared(run: Run) -> Run:
    """A run that says that it was not asked again."""
    steps = [step for step in run.steps if step.name not in ("probe", "recall")]
    return Run.model_validate({**dict(run), "steps": steps, "spared": "its score is hopeless"})


@given(st.sets(st.integers(0, 2), min_size=1), st.floats(2.0, 4.0))
def test_a_run_that_was_not_asked_again_takes_part_in_no_acceptance(
    which: set[int], bpb: float
) -> None:
    """Whatever its evidence says: also with the best scores, and where all else passes."""
    runs = good_runs(PLAN, (bpb, bpb + 0.01, bpb + 0.02))
    verdict = verdict_of(PLAN, [spared(r) if n in which else r for n, r in enumerate(runs)])
    assert verdict.verdict in ("REJECTED", "INCONCLUSIVE")
    for name in ("causality", "memory"):
        [check] = [check for check in verdict.checks if check.id == name]
        assert check.status == "unknown" and "its score is hopeless" in check.detail
        found = rule_of(name)
        assert found is not None and not found.decidable and not found.open_in_rehearsal


def test_a_hopeless_verification_is_rejected_for_its_score() -> None:
    runs = good_runs(PLAN, (3.6, 3.61, 3.62))
    verdict = verdict_of(PLAN, [spared(run) for run in runs])
    assert verdict.verdict == "REJECTED"
    assert verdict.reason.startswith("significance")


def test_a_run_says_that_it_was_spared_only_where_it_was() -> None:
    run = good_runs(PLAN)[0]
    with pytest.raises(ValidationError, match="spared: given beside a step"):
        Run.model_validate({**dict(run), "spared": "why"})
    with pytest.raises(ValidationError, match="spared: given without score"):
        Run.model_validate({**dict(run), "steps": run.steps[:1], "spared": "why"})
