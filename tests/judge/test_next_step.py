"""What a verification still wants follows from its evidence: stopping early is derived."""

from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.next_step import Wanted, next_step
from tests.factories.broken import BIG, LATE
from tests.factories.plans import plan
from tests.factories.results import failure, phase, probes
from tests.factories.runs import good_runs, seed_run

PLAN = plan()
FIRST, SECOND, THIRD = PLAN.draws


def wanted(*runs: Run, made: Plan = PLAN, given_up: tuple[int, ...] = ()) -> Wanted:
    return next_step(Case.of(made, runs), given_up=given_up)


def test_all_seeds_are_wanted_until_they_are_there() -> None:
    assert wanted().draws == (FIRST, SECOND, THIRD)
    assert wanted(seed_run(SECOND)).draws == (FIRST, THIRD)
    over = wanted(*good_runs(PLAN))
    assert (over.draws, over.over, over.why) == ((), True, "")


def test_whatever_no_further_seed_can_mend_ends_it() -> None:
    """A look ahead too: it once trained two more seeds for nothing."""
    for rule, run in {
        "train_wallclock": seed_run(FIRST, train=LATE),
        "bytes": seed_run(FIRST, artifact=BIG),
        "training": seed_run(FIRST, failure=failure("submission", "training")),
        "scoring": seed_run(FIRST, failure=failure("submission", "scoring")),
        "causality": seed_run(FIRST, probes=probes(gain=0.5)),
    }.items():
        found = wanted(run)
        assert found.over and not found.draws
        assert found.why.startswith(f"{rule}: ")


def test_a_bad_score_alone_ends_nothing() -> None:
    assert wanted(seed_run(FIRST, 9.0)).draws == (SECOND, THIRD)


def test_our_own_failure_never_says_that_nothing_can_save_it() -> None:
    lost = seed_run(FIRST, failure=failure("infrastructure", "scoring"))
    assert wanted(lost).draws == (FIRST, SECOND, THIRD)
    # Not again at once, where it was lost just now; the others all the same.
    assert wanted(lost, given_up=(FIRST.number,)).draws == (SECOND, THIRD)
    over = wanted(lost, seed_run(SECOND), seed_run(THIRD), given_up=(FIRST.number,))
    assert over.over and over.why == ""


def test_a_phase_that_the_engine_lost_is_no_failure_of_the_submission() -> None:
    gone = phase("train", outcome="lost", exit_code=None)
    assert not wanted(seed_run(FIRST, train=gone, artifact=None)).over
