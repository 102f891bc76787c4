"""Where a verdict leads, and what is said of a phase that was slow."""

from typing import Any

import pytest

from harness.contest.track import load_track
from harness.evidence.phase import Load, LogEnd
from harness.evidence.run import Move, StepFacts
from harness.judge.case import Case
from harness.judge.contradictions import contradictions
from harness.judge.slowness import beside_others, load_in_words
from harness.judge.verdict import Verdict
from tests.factories.broken import BROKEN_IN_EVIDENCE, PLAN
from tests.factories.plans import plan
from tests.factories.results import failure, phase, scores, sealed
from tests.factories.runs import good_runs, seed_run, verdict_of, with_first

FIRST = PLAN.draws[0].seed
BUSY = Load(before=6.1, after=7.0)
IDLE = Load(before=0.4, after=2.1)


def first(**parts: Any) -> Verdict:
    return verdict_of(PLAN, with_first(PLAN, **parts))


def test_a_way_on_is_that_of_its_verdict() -> None:
    verdict = first(train=phase("train", wallclock_seconds=20.1, harness_seconds_high=20.2))
    assert contradictions(verdict) == []
    assert verdict.way_on is not None
    other = verdict.way_on.model_copy(update={"seed": 7})
    assert contradictions(verdict.model_copy(update={"way_on": other})) == [
        "way_on.seed: found 7, expected one of the seeds"
    ]
    (told,) = contradictions(verdict.model_copy(update={"time_scale": 4.0}))
    assert told.startswith("time_scale: found one, expected none")


def reason(verdict: Verdict) -> str:
    return verdict.reason


def test_a_success_leads_on() -> None:
    verdict = verdict_of(PLAN, good_runs(PLAN))
    assert verdict.way_on is not None
    assert (verdict.way_on.check, verdict.way_on.file, verdict.way_on.next) == (None, "", "accept")
    made = plan(load_track("smoke"))
    rehearsed = verdict_of(made, good_runs(made))
    assert rehearsed.way_on is not None and rehearsed.way_on.next == "official"
    assert verdict.folder == PLAN.entry.folder
    assert verdict.seconds == 45


@pytest.mark.parametrize("name", sorted(BROKEN_IN_EVIDENCE))
def test_whatever_stands_in_the_way_is_named_first(name: str) -> None:
    verdict = verdict_of(*BROKEN_IN_EVIDENCE[name])
    assert verdict.way_on is not None
    assert verdict.reason.startswith(f"{verdict.way_on.check}: ")
    assert verdict.way_on.next != "nothing"


@pytest.mark.parametrize(
    ("parts", "check", "file", "after"),
    [
        ({"failure": failure("submission", "training")}, "training", "train.log", "mend"),
        ({"failure": failure("submission", "scoring")}, "scoring", "score.log", "mend"),
        ({"failure": failure("submission", "causality")}, "causality", "probe.log", "mend"),
        ({"failure": failure("infrastructure", "scoring")}, "scoring", "score.log", "resume"),
        ({"artifact": sealed(bytes(9)).model_copy(update={"bytes": 16_000_000})}, "bytes",
         "artifact/model.bin", "mend"),
        ({"train": phase("train", wallclock_seconds=20.1, harness_seconds_high=20.2)},
         "train_wallclock", "train.log", "mend"),
        ({"score": phase("score", wallclock_seconds=60.1, harness_seconds_high=60.2)},
         "score_wallclock", "score.log", "rescore"),
        ({"train": phase("train", harness_seconds_high=14.0)}, "clocks", "train.log", "anew"),
        ({"score": phase("score", harness_seconds_high=14.0)}, "clocks", "score.log", "rescore"),
    ],
)  # fmt: skip
def test_the_file_to_open_and_the_next_step(
    parts: dict[str, Any], check: str, file: str, after: str
) -> None:
    verdict = first(**parts)
    found = verdict.way_on
    assert found is not None
    assert (found.check, found.next) == (check, after)
    assert (found.seed, found.file) == (FIRST, f"seed-{FIRST}/try-1/{file}")


def test_only_what_was_trained_for_all_looks_is_scored_again() -> None:
    late = phase("score", wallclock_seconds=60.1, harness_seconds_high=60.2)
    for made, after in ((PLAN, "mend"), (plan(load_track("smoke")), "slower")):
        whole = with_first(made, score=late)
        for runs, expected in ((whole, "rescore"), (whole[:1], after)):
            verdict = verdict_of(made, runs)
            assert verdict.verdict == "REJECTED"
            assert verdict.way_on is not None and verdict.way_on.next == expected


def test_a_rehearsal_that_is_late_may_have_more_time() -> None:
    made = plan(load_track("smoke"))
    late = phase("train", wallclock_seconds=20.1, harness_seconds_high=20.2)
    verdict = verdict_of(made, with_first(made, train=late))
    assert verdict.way_on is not None and verdict.way_on.next == "slower"


def test_what_was_killed_tells_its_last_line_and_its_log() -> None:
    killed = phase(
        "train",
        outcome="deadline",
        detail="killed at the limit of 20 s",
        wallclock_seconds=20.0,
        harness_seconds_high=20.2,
        log_end=LogEnd(text="step 120 loss 3.1", seconds=19.31),
    )
    row = first(train=killed, artifact=None).seeds[0]
    assert row.trouble == (
        "train: killed at the limit of 20 s; the last line of its log, at 19.3 s: step 120 loss 3.1"
    )
    assert row.log == f"seed-{FIRST}/try-1/train.log"


def test_clocks_that_disagree_name_the_phase_and_what_was_slow() -> None:
    apart = phase("score", wallclock_seconds=18.1, load=BUSY)
    others = scores(2.6).tokens_per_second
    assert reason(first(score=apart)) == (
        "clocks: the sandbox's clock and the harness's own disagree: "
        f"seed {FIRST}, scoring: 18.1 s by the first, 14.9 to 15.2 s by ours; load average 6.1 on "
        "2 cores when it began, so it was busy with other work; "
        f"it scored {others:,.0f} tokens a second, the other seeds {others:,.0f}"
    )


def test_what_is_late_is_held_beside_the_others() -> None:
    late = phase("train", wallclock_seconds=20.5, harness_seconds_high=20.7, load=IDLE)
    assert reason(first(train=late)) == (
        f"train_wallclock: ended after the limit: seed {FIRST}; load average 0.4 on 2 cores when "
        "it began; the other seeds took 15.0 s"
    )
    slow = scores(2.61).model_copy(update={"tokens_per_second": 512.0})
    late = phase("score", wallclock_seconds=61.0, harness_seconds_high=61.2)
    said = reason(first(score=late, scores=slow))
    assert f"score_wallclock: ended after the limit: seed {FIRST}; it scored 512 tokens a" in said


def test_how_busy_the_machine_was() -> None:
    runs = [
        seed_run(
            PLAN.draws[0], 2.61, train=phase("train", load=IDLE), score=phase("score", load=BUSY)
        ),
        *good_runs(PLAN)[1:],
    ]
    rows = verdict_of(PLAN, runs).seeds
    assert rows[0].busy is not None and (rows[0].busy.load, rows[0].busy.cores) == (6.1, 2)
    assert rows[1].busy is None


def test_a_load_is_that_of_the_machine_on_which_the_step_was_made() -> None:
    """A run that is asked again elsewhere has two; where there are more cores, a load is less."""
    run = seed_run(PLAN.draws[0], 2.61, train=phase("train", load=IDLE), score=phase("score"))
    there = run.host.model_copy(
        update={"machine": run.host.machine.model_copy(update={"cores": 16})}
    )
    asked = StepFacts(name="probe", phases=(phase("probe", load=BUSY),))
    steps = (*(step for step in run.steps if step.name != "probe"), asked)
    move = Move(step="probe", answers_sha256="a" * 64, host=there)
    moved = run.model_copy(update={"steps": steps, "moves": (move,)})
    assert load_in_words(moved, "probe", asked.phases[0]) == (
        "load average 6.1 on 16 cores when it began"
    )
    stayed = moved.model_copy(update={"moves": None})
    assert "on 2 cores when it began, so it was busy" in load_in_words(
        stayed, "probe", asked.phases[0]
    )
    others = good_runs(PLAN)[1:]
    rows = [verdict_of(PLAN, [each, *others]).seeds[0].busy for each in (moved, stayed)]
    assert [(row.load, row.cores) for row in rows if row] == [(6.1, 16), (6.1, 2)]


def test_more_time_is_told_and_only_rehearses() -> None:
    made = plan(time_scale=4.0)
    verdict = verdict_of(made, good_runs(made))
    assert (verdict.verdict, verdict.time_scale) == ("REHEARSED", 4.0)
    assert verdict.train_limit_seconds == 80


@pytest.mark.parametrize(("printed", "name"), [(120, "train.log"), (0, "evidence.json")])
def test_an_empty_log_is_not_the_file_to_open(printed: int, name: str) -> None:
    killed = phase(
        "train",
        outcome="deadline",
        wallclock_seconds=20.0,
        harness_seconds_high=20.2,
        log_bytes=printed,
    )
    verdict = first(train=killed, artifact=None)
    assert verdict.way_on is not None
    assert verdict.way_on.file == f"seed-{FIRST}/try-1/{name}"
    assert verdict.seeds[0].log == (f"seed-{FIRST}/try-1/train.log" if printed else None)


def test_of_a_scoring_that_did_not_end_no_rate_is_told() -> None:
    runs = with_first(PLAN, scores=None)
    others = scores(2.6).tokens_per_second
    assert beside_others(Case.of(PLAN, runs), runs[0], "score") == (
        f"the other seeds scored {others:,.0f} tokens a second"
    )
