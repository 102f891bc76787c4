"""What becomes of a verdict when our side loses runs that had begun."""

from pathlib import Path

import pytest

from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.contradictions import contradictions
from harness.judge.judge import judge
from harness.judge.next_step import next_step
from harness.judge.stored import judge_path, read_case
from harness.report.terminal import render_text
from tests.factories.plans import plan, required, strict_track
from tests.factories.results import failure
from tests.factories.runs import good_runs, seed_run, verdict_of
from tests.factories.stored import store

PLAN = plan()
FIRST, SECOND, THIRD = PLAN.draws
LOST = failure("infrastructure", "causality")


def lost_after_score(bpb: float, attempt: int, made: Plan = PLAN) -> Run:
    run = seed_run(made.draws[0], bpb, failure=LOST, attempt=attempt)
    return run.model_copy(update={"began": "train"})


def test_a_used_up_draw_ends_it_and_is_unknown_for_good(tmp_path: Path) -> None:
    lost = [lost_after_score(2.6, 1), lost_after_score(2.6, 2)]
    directory = store(tmp_path / "run", PLAN, [*lost, *good_runs(PLAN)[1:]])
    case = read_case(directory)
    wanted = next_step(case)
    assert wanted.over and wanted.draws == ()
    assert f"seed {FIRST.seed}: trained 2 times, each time lost by our side" in wanted.why
    verdict = judge_path(directory.path)
    assert verdict.verdict == "INCONCLUSIVE"
    assert verdict.reason.startswith(f"seeds: seed {FIRST.seed}: trained 2 times")
    assert "given up, and no other takes its place" in verdict.reason
    assert contradictions(verdict) == []
    # Whoever makes a third try all the same, and finds it good, has gained nothing.
    third = seed_run(FIRST, 2.6, attempt=3)
    directory = store(tmp_path / "third", PLAN, [*lost, third, *good_runs(PLAN)[1:]])
    verdict = judge_path(directory.path)
    assert (verdict.verdict, verdict.reason.partition(":")[0]) == ("INCONCLUSIVE", "seeds")


def test_one_that_is_still_running_is_not_lost(tmp_path: Path) -> None:
    running = seed_run(FIRST, train=None, ended=False, attempt=2)
    running = running.model_copy(update={"began": "train"})
    case = read_case(store(tmp_path / "run", PLAN, [lost_after_score(2.6, 1), running]))
    assert next_step(case).over
    assert not next_step(case, running=(FIRST.number,)).over


@pytest.mark.parametrize("why", ["track", "sandbox"])
def test_a_rehearsal_goes_on(tmp_path: Path, why: str) -> None:
    """Whoever stops a rehearsal at home a few times is not made to begin anew."""
    changes = {"required": required(isolation=())} if why == "sandbox" else {}
    made = plan(strict_track(rehearsal=why == "track"), **changes)
    lost = [lost_after_score(2.6, number, made) for number in (1, 2)]
    case = read_case(store(tmp_path / "run", made, lost))
    assert not next_step(case).over
    good = seed_run(made.draws[0], 2.6, attempt=3)
    directory = store(tmp_path / "good", made, [*lost, good, *good_runs(made)[1:]])
    verdict = judge_path(directory.path)
    assert verdict.verdict == "REHEARSED"
    assert next(c.status for c in verdict.checks if c.id == "seeds") == "unknown"
    if why == "track":  # and as a contest it is what it is
        strict = judge_path(directory.path, track=strict_track())
        assert next(c.status for c in strict.checks if c.id == "seeds") == "unknown"
        assert strict.verdict != "VERIFIED"


def test_both_scores_count_as_one_mean(tmp_path: Path) -> None:
    others = [seed_run(SECOND, 2.62), seed_run(THIRD, 2.60)]
    bad, good = lost_after_score(3.0, 1), seed_run(FIRST, 2.61, attempt=2)
    verdict = judge_path(store(tmp_path / "run", PLAN, [bad, good, *others]).path)
    assert verdict.statistics.n == 3
    assert verdict.statistics.mean_bpb == pytest.approx((2.805 + 2.62 + 2.60) / 3)
    row = verdict.seeds[0]
    assert (row.val_bpb, row.beside_bpb) == (2.61, (3.0,))
    assert row.counted_bpb == pytest.approx(2.805)
    spread = next(check for check in verdict.checks if check.id == "seed_spread")
    assert spread.measured == pytest.approx(0.205)
    (note,) = [note for note in verdict.findings if note.id == "mean_of_tries"]
    assert str(FIRST.seed) in note.detail
    assert contradictions(verdict) == []
    shown = " ".join(render_text(verdict, width=250).split())
    assert "counts as 2.805000 BPB, the mean with 3.000000: tries that were scored" in shown


def test_a_lucky_second_try_alone_would_have_won(tmp_path: Path) -> None:
    """What the rule is for: the same runs pass where the first is not looked at."""
    lucky = good_runs(PLAN)
    assert verdict_of(PLAN, lucky).verdict == "VERIFIED"
    again = lucky[0].model_copy(update={"attempt": 2})
    runs = [lost_after_score(4.5, 1), again, *lucky[1:]]
    verdict = judge_path(store(tmp_path / "run", PLAN, runs).path)
    assert verdict.verdict != "VERIFIED"
    assert verdict.reason.startswith("significance: ")


def test_a_verdict_that_leaves_the_other_score_out_contradicts_itself(tmp_path: Path) -> None:
    runs = [lost_after_score(3.0, 1), seed_run(FIRST, 2.61, attempt=2), *good_runs(PLAN)[1:]]
    verdict = judge_path(store(tmp_path / "run", PLAN, runs).path)
    row = verdict.seeds[0].model_copy(update={"beside_bpb": None})
    lying = verdict.model_copy(update={"seeds": (row, *verdict.seeds[1:])})
    assert any(problem.startswith("statistics.mean_bpb") for problem in contradictions(lying))
    row = verdict.seeds[0].model_copy(update={"beside_bpb": (-3.0,)})
    lying = verdict.model_copy(update={"seeds": (row, *verdict.seeds[1:])})
    assert any(f"seeds.{FIRST.seed}.val_bpb" in problem for problem in contradictions(lying))


def test_a_new_draw_is_told(tmp_path: Path) -> None:
    made = plan(tries={"earlier": 1, "passed_over": ("20251120T1-sample-strict",)})
    verdict = judge(Case.of(made, good_runs(made)), evidence="runs/x")
    (note,) = [note for note in verdict.findings if note.id == "new_draw"]
    assert "20251120T1-sample-strict" in note.detail and "--new-draw" in note.detail
    assert contradictions(verdict) == []
