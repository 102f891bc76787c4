"""The rules: each is broken once, alone, and the verdict follows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.entry import Claim
from harness.contest.hardware import Hardware, Speed
from harness.contest.significance import Significance
from harness.contest.track import Budget, load_track
from harness.evidence.host import Calibration, TelemetryFacts
from harness.evidence.isolation import REQUIRED, phrase_of, required_in
from harness.evidence.phase import IsolationFact
from harness.evidence.plan import Plan, Tries
from harness.evidence.run import Move, Run, StepFacts
from harness.judge.case import Case
from harness.judge.next_step import next_step
from harness.judge.rules import CHECKS
from harness.judge.rules.clocks import CLOCK_TOLERANCE_SECONDS
from harness.judge.rules.seed_spread import SMALLEST_SPREAD_BPB
from harness.judge.verdict import EXIT_CODES, Verdict
from harness.models import Finding
from harness.report.terminal import render_text
from tests.factories.broken import (
    BIG,
    BROKEN_IN_EVIDENCE,
    ENDS_THE_RUN,
    FITS,
    KILLED,
    LATE,
    PLAN,
    SLOW,
    UNPUBLISHED,
    switched_off,
)
from tests.factories.plans import entry, looking_track, plan, required, strict_track
from tests.factories.results import (
    changes,
    failure,
    gap,
    host,
    pace,
    phase,
    probes,
    recall,
    scores,
    sealed,
    weights,
)
from tests.factories.runs import GOOD_SCORES, good_runs, seed_run, verdict_of, with_first
from tests.factories.upstream import upstream_entry, upstream_plan, upstream_runs


def status(verdict: Verdict, name: str) -> str:
    return next(check.status for check in verdict.checks if check.id == name)


def test_a_clean_record_is_verified() -> None:
    verdict = verdict_of(PLAN, good_runs(PLAN))
    assert verdict.verdict == "VERIFIED"
    assert {check.status for check in verdict.checks} == {"pass"}
    assert verdict.statistics.significant
    assert EXIT_CODES[verdict.verdict] == 0


def test_a_rehearsal_track_never_verifies() -> None:
    made = plan(load_track("smoke"))
    verdict = verdict_of(made, good_runs(made))
    assert verdict.verdict == "REHEARSED"
    assert {check.status for check in verdict.checks} == {"pass"}


def test_the_process_sandbox_never_verifies() -> None:
    made = plan(required=required(sandbox="process", isolation=()))
    verdict = verdict_of(made, good_runs(made))
    assert verdict.verdict == "REHEARSED"
    assert status(verdict, "isolation") == "unknown"
    assert all(check.status == "pass" for check in verdict.checks if check.id != "isolation")


def test_who_is_far_slower_when_asked_again_is_not_called_a_cheat() -> None:
    """He may be fast in the order of the text alone: counts that are kept up to date."""
    slow = probes(probes=2, planned=4000, seconds=100.0)
    verdict = verdict_of(PLAN, with_first(PLAN, probes=slow))
    assert verdict.verdict == "INCONCLUSIVE"
    assert "times as slow as while it was scored" in verdict.reason


@pytest.mark.parametrize(
    ("broken", "parts"),
    [
        ("train_wallclock", {"train": LATE}),
        ("train_wallclock", {"train": KILLED, "artifact": None}),
        ("score_wallclock", {"score": SLOW}),
        ("causality", {"probes": probes(largest=0.6)}),
        ("causality", {"probes": probes(gain=0.03)}),
        ("causality", {"probes": probes(gain=0.03, gain_error_nats=0.003)}),
        ("causality", {"probes": probes(largest=2.0, twice=changes(largest_nats=0.3))}),
        ("memory", {"recall": recall(largest_change_nats=0.6)}),
        ("memory", {"recall": recall(changes=changes(0.06))}),
        ("memory", {"recall": recall(changes=changes(-0.06))}),
        ("memory", {"failure": failure("submission", "memory")}),
        ("causality", {"probes": probes(gain=-0.04, mean_change_nats=0.06)}),
        ("causality", {"failure": failure("submission", "causality")}),
        ("bytes", {"artifact": BIG}),
        ("training", {"failure": failure("submission", "training")}),
        ("artifact", {"failure": failure("submission", "artifact")}),
        ("scoring", {"failure": failure("submission", "scoring")}),
        ("significance", {"scores": scores(40)}),
    ],
)
def test_each_fault_of_a_run_rejects_and_is_named(broken: str, parts: dict[str, Any]) -> None:
    for made in (PLAN, plan(load_track("smoke"))):
        verdict = verdict_of(made, with_first(made, **parts))
        assert verdict.verdict == "REJECTED"
        assert [check.id for check in verdict.checks if check.status == "fail"] == [broken]
        assert verdict.reason.startswith(broken)
        assert EXIT_CODES[verdict.verdict] == 1


def mode(made: Plan, parts: dict[str, Any], rule: str) -> tuple[str, str]:
    verdict = verdict_of(made, with_first(made, **parts))
    return verdict.verdict, next(check.detail for check in verdict.checks if check.id == rule)


EVAL = "is the model in eval mode?"


@pytest.mark.parametrize("largest", [0.6, 4.0, 18.0])
class TestAModelLeftInTrainingMode:
    """The commonest honest mistake: no reason calls it a look ahead, or a memory."""

    def test_its_pairs_differ_in_one_request(self, largest: float) -> None:
        noisy = probes(largest=largest, twice=changes(largest_nats=largest / 2))
        for parts, rule in (
            ({"probes": noisy}, "causality"),
            ({"probes": noisy, "recall": recall(largest_change_nats=largest)}, "memory"),
        ):
            verdict, said = mode(PLAN, parts, rule)
            assert (verdict, EVAL in said) == ("INCONCLUSIVE", True)
            assert "the same question got two answers" in said

    def test_one_mask_for_a_whole_request_leaves_pairs_alike(self, largest: float) -> None:
        noisy = probes(largest=largest, unchanged=changes(largest_nats=largest / 2))
        for parts, rule in (
            ({"probes": noisy}, "causality"),
            ({"probes": noisy, "recall": recall(largest_change_nats=largest)}, "memory"),
        ):
            verdict, said = mode(PLAN, parts, rule)
            assert (verdict, EVAL in said) == ("REJECTED", True)
            assert "beyond its past" not in said and "remembers" not in said

    def test_a_mean_that_chance_explains_is_no_gain(self, largest: float) -> None:
        by_chance: dict[str, Any] = {"gain": 0.04, "gain_error_nats": 0.005}
        pairs: list[dict[str, Any]] = [
            {name: changes(largest_nats=largest)} for name in ("twice", "unchanged")
        ]
        for more in pairs:
            noisy = probes(largest=largest, **by_chance, **more)
            assert EVAL in mode(PLAN, {"probes": noisy}, "causality")[1]
        calm = probes(largest=0.1, **by_chance)
        assert "cheaper on average" in mode(PLAN, {"probes": calm}, "causality")[1]

    def test_what_moves_far_more_where_the_future_is_another_one_looked(
        self, largest: float
    ) -> None:
        few: dict[str, Any] = {
            "twice": changes(largest_nats=0.26),
            "unchanged": changes(largest_nats=0.26),
        }
        said = mode(PLAN, {"probes": probes(largest=largest + 1, **few)}, "causality")[1]
        assert "looks beyond its past" in said


@pytest.mark.parametrize("values", [(3.3999, 3.40, 3.3998), (2.0, 2.6, 3.3), (3.5, 3.5, 3.5)])
def test_scores_that_are_no_record_reject(values: tuple[float, ...]) -> None:
    for made in (PLAN, plan(load_track("smoke"))):
        verdict = verdict_of(made, good_runs(made, values))
        assert verdict.verdict == "REJECTED"
        assert [check.id for check in verdict.checks if check.status == "fail"] == ["significance"]


def every_seed(**parts: Any) -> list[Run]:
    """All runs of the plan with the same parts."""
    return [seed_run(draw, 2.6 + draw.number / 100, **parts) for draw in PLAN.draws]


# Most answers at once, and some after half a minute.
HASTY = pace(0.1, 60.0, slower=20, over_seconds=570.0)
OURS: list[tuple[str, list[Run]]] = [
    ("clocks", with_first(PLAN, train=phase("train", harness_seconds_high=14.4))),
    ("clocks", with_first(PLAN, train=phase("train", harness_seconds_low=15.6))),
    ("score_wallclock", with_first(PLAN, score=SLOW.model_copy(update={"stalled_seconds": 2}))),
    ("train_wallclock", with_first(PLAN, train=phase("train", wallclock_seconds=21))),
    ("causality", with_first(PLAN, probes=None)),
    ("causality", with_first(PLAN, probes=probes(probes=3999))),
    ("causality", with_first(PLAN, probes=probes(gain=0.0195))),
    ("causality", with_first(PLAN, probes=probes(changes=changes(sd=0.05)))),
    ("causality", every_seed(probes=probes(changes=changes(sd=0.02), unchanged=changes(sd=0.02)))),
    ("causality", every_seed(probes=probes(probes=600, planned=600, by_gap=300))),
    ("causality", every_seed(probes=probes(by_gap=None))),
    ("causality", every_seed(probes=probes(by_gap=100))),
    (
        "causality",
        every_seed(probes=probes(changes=changes(sd_of_all_nats=0.02, variance_error=0.0))),
    ),
    ("causality", with_first(PLAN, probes=probes(largest=0.6, twice=changes(largest_nats=0.3)))),
    ("causality", with_first(PLAN, probes=probes(pace=HASTY))),
    ("memory", with_first(PLAN, recall=recall(pace=HASTY))),
    ("memory", with_first(PLAN, recall=None)),
    ("memory", with_first(PLAN, recall=recall(windows=1499))),
    ("memory", every_seed(recall=recall(changes=changes(0.0195)))),
    ("memory", every_seed(recall=recall(changes=changes(sd=0.02, count=1500)))),
    ("memory", every_seed(probes=probes(twice=changes(sd=0.02, count=64)))),
    ("memory", every_seed(recall=recall(windows=300, planned=300))),
    ("memory", every_seed(recall=recall(changes=changes(sd=0.006, count=1500)))),
    ("memory", with_first(PLAN, failure=failure("infrastructure", "memory"))),
    ("causality", with_first(PLAN, failure=failure("infrastructure", "causality"))),
    ("coverage", with_first(PLAN, scores=scores(2.61, targets=199_998))),
    ("coverage", with_first(PLAN, scores=scores(2.61, bytes=480_001))),
    ("training", with_first(PLAN, failure=failure("infrastructure", "training"))),
    ("artifact", with_first(PLAN, failure=failure("infrastructure", "artifact"))),
    ("scoring", with_first(PLAN, failure=failure("infrastructure", "scoring"))),
    ("memorisation", with_first(PLAN, failure=failure("infrastructure", "memorisation"))),
    ("seed_spread", good_runs(PLAN, (2.6, 2.6, 2.6))),
    ("seed_spread", with_first(PLAN, artifact=sealed(weights(PLAN.seeds[1])))),
    ("seeds", good_runs(PLAN)[:2]),
    ("seeds", []),
]


@pytest.mark.parametrize(("broken", "runs"), OURS)
def test_each_fault_of_ours_is_inconclusive_even_in_a_rehearsal(
    broken: str, runs: list[Run]
) -> None:
    verdict = verdict_of(PLAN, runs)
    assert verdict.verdict == "INCONCLUSIVE"
    assert status(verdict, broken) == "unknown"
    assert EXIT_CODES[verdict.verdict] == 3
    assert verdict_of(PLAN, runs, track=load_track("smoke")).verdict == "INCONCLUSIVE"


def test_isolation_needs_every_property_read_back() -> None:
    leaky = phase("train", isolation=(IsolationFact(id="no_network", expected="none", actual="x"),))
    unread = phase("train", isolation=())
    whole = phase("train").isolation
    fewer = [
        phase("train", isolation=tuple(fact for fact in whole if fact.id != left_out))
        for left_out in ("no_network", "output_limit")
    ]
    for train in (leaky, unread, *fewer):
        verdict = verdict_of(PLAN, with_first(PLAN, train=train))
        assert status(verdict, "isolation") == "unknown"
        assert verdict.verdict == "INCONCLUSIVE"


def isolation_check(runs: list[Run], made: Plan = PLAN) -> Finding:
    return next(check for check in verdict_of(made, runs).checks if check.id == "isolation")


def test_isolation_shows_the_phase_that_proves_least() -> None:
    check = isolation_check(good_runs(PLAN))
    assert (check.status, check.measured, check.limit) == ("pass", 35, 35)
    proven = phase("score").isolation
    broken = proven[0].model_copy(update={"actual": "y"})
    check = isolation_check(
        with_first(PLAN, score=phase("score", isolation=(broken, *proven[1:-3])))
    )
    assert (check.status, check.measured, check.limit) == ("unknown", 30, 34)
    assert check.detail == f"not in force: {phrase_of(broken.id)}; found: {broken.actual}"
    check = isolation_check(with_first(PLAN, train=phase("train", isolation=())))
    assert (check.status, check.measured, check.limit) == ("unknown", 0, 35)
    assert check.detail.startswith("not read back: ") and check.detail.endswith(", and 30 more")


def test_one_proof_that_holds_does_not_make_up_for_one_that_fails() -> None:
    whole = phase("train").isolation
    twice = (*whole, whole[0].model_copy(update={"actual": "y"}))
    check = isolation_check(with_first(PLAN, train=phase("train", isolation=twice)))
    assert (check.status, check.measured) == ("unknown", 34)


def test_a_phase_that_was_lost_before_it_was_asked_says_nothing() -> None:
    lost_early = phase("train", outcome="lost", isolation=())
    assert isolation_check(with_first(PLAN, train=lost_early)).status == "pass"
    assert isolation_check([]).status == "unknown"


@pytest.mark.parametrize("kind", ["docker", "process", "of_tomorrow"])
def test_what_a_sandbox_is_called_decides_nothing(kind: str) -> None:
    made = plan(required=required(sandbox=kind))
    verdict = verdict_of(made, good_runs(made))
    assert (verdict.verdict, verdict.sandbox, verdict.isolated) == ("VERIFIED", kind, True)
    almost = tuple(REQUIRED - {"no_swap"})
    made = plan(required=required(sandbox=kind, isolation=almost))
    verdict = verdict_of(made, good_runs(made))
    assert (verdict.verdict, verdict.isolated) == ("REHEARSED", False)
    check = isolation_check(good_runs(made), made)
    assert (check.status, check.measured, check.limit) == ("unknown", 34, 35)


def without(ids: frozenset[str], step: StepFacts) -> StepFacts:
    """A step whose phases were not asked for these properties."""
    phases = tuple(
        each.model_copy(
            update={"isolation": tuple(it for it in each.isolation if it.id not in ids)}
        )
        for each in step.phases
    )
    return step.model_copy(update={"phases": phases})


def test_a_plan_is_judged_by_the_edition_of_the_properties_that_it_names() -> None:
    first = tuple(sorted(required_in(1)))
    old = plan(required=required(isolation=first, isolation_edition=None))
    runs = good_runs(old)
    runs = [
        run.model_copy(
            update={"steps": tuple(without(REQUIRED - set(first), it) for it in run.steps)}
        )
        for run in runs
    ]
    verdict = verdict_of(old, runs)
    assert (verdict.verdict, verdict.isolated) == ("VERIFIED", True)
    check = isolation_check(runs, old)
    assert (check.status, check.measured, check.limit) == ("pass", 29, 29)
    # The same under today's edition is no isolation, whatever it is called.
    new = plan(required=required(isolation=first))
    assert not new.required.isolated
    check = isolation_check(runs, plan())
    assert check.status == "unknown"
    assert phrase_of("caches_dropped") in check.detail


def test_hand_given_seeds_never_verify() -> None:
    for made in (
        plan(chosen_by_hand=True),
        plan(seeds=(1, 2, 3)),
        plan(nonce="another", draws=PLAN.draws),
        plan(entry=entry({"train.py": b"another"}), draws=PLAN.draws),
    ):
        verdict = verdict_of(made, good_runs(made))
        assert status(verdict, "seeds") == "unknown"
        assert verdict.verdict == "INCONCLUSIVE"
        assert verdict_of(made, good_runs(made), track=load_track("smoke")).verdict == "REHEARSED"


def test_a_machine_that_does_not_meet_the_track_is_ours_to_cure() -> None:
    needs = strict_track(hardware=Hardware(accelerators=1, accelerator_name="GPU"))
    made = plan(needs)
    assert verdict_of(made, good_runs(made)).verdict == "VERIFIED"
    slow = with_first(made, telemetry=TelemetryFacts(samples=3, slowdowns=("hw_slowdown",)))
    shared = with_first(made, telemetry=TelemetryFacts(samples=3, foreign_processes=1))
    unseen = with_first(made, telemetry=TelemetryFacts(missing="no telemetry: it hangs"))
    other = needs.model_copy(update={"hardware": Hardware(accelerators=2, accelerator_name="GPU")})
    for verdict in (
        verdict_of(made, slow),
        verdict_of(made, shared),
        verdict_of(made, unseen),
        verdict_of(made, good_runs(made), track=other),
    ):
        assert status(verdict, "hardware") == "unknown"
        assert verdict.verdict == "INCONCLUSIVE"


def test_a_host_that_is_slower_or_faster_than_its_track_never_rejects() -> None:
    speeds = {"gemm_gflops": Speed(reference=100.0, tolerance=0.1, fastest=1.5)}
    made = plan(strict_track(hardware=Hardware(accelerators=0, speeds=speeds)))

    def at(*figures: float) -> list[Run]:
        runs = []
        for run, figure in zip(good_runs(made), figures, strict=True):
            measured = Calibration(figures={"gemm_gflops": figure}, seconds=1.0)
            where = run.host.model_copy(update={"node": "n1", "calibration": measured})
            runs.append(run.model_copy(update={"host": where}))
        return runs

    assert verdict_of(made, at(95.0, 100.0, 140.0)).verdict == "VERIFIED"
    for runs, said in (
        (at(100.0, 80.0, 100.0), "n1: gemm_gflops 80 is 80% of the reference 100"),
        (at(100.0, 100.0, 200.0), "n1: gemm_gflops 200 is more than can be"),
        (good_runs(made), "gemm_gflops was not measured"),
    ):
        verdict = verdict_of(made, runs)
        assert verdict.verdict == "INCONCLUSIVE"
        assert said in next(c.detail for c in verdict.checks if c.id == "hardware")


def test_evidence_of_another_dataset_cannot_be_judged_under_the_official_track() -> None:
    made = plan(load_track("smoke"))
    verdict = verdict_of(made, good_runs(made), track=load_track("10min_16mb"))
    assert status(verdict, "dataset") == "unknown"
    assert status(verdict, "hardware") == "unknown"
    assert verdict.verdict == "REJECTED"  # 2.6 BPB is no record there


def test_the_cap_is_inclusive() -> None:
    assert verdict_of(PLAN, with_first(PLAN, artifact=FITS)).verdict == "VERIFIED"
    assert verdict_of(PLAN, with_first(PLAN, artifact=BIG)).verdict == "REJECTED"


def test_a_stored_verification_can_be_judged_under_another_edition() -> None:
    tighter = PLAN.track.model_copy(
        update={"budget": Budget(train_seconds=10, score_seconds=60, bytes=16_000_000)}
    )
    assert verdict_of(PLAN, good_runs(PLAN), track=tighter).verdict == "REJECTED"


@pytest.mark.parametrize(
    ("parts", "over"),
    [
        ({}, False),
        ({"train": KILLED, "artifact": None}, True),
        ({"train": LATE}, True),
        ({"score": SLOW}, True),
        ({"artifact": BIG}, True),
        ({"artifact": FITS}, False),
        ({"scores": scores(40)}, False),  # the test is of all seeds
        ({"probes": probes(gain=0.03)}, True),
        ({"failure": failure("submission", "artifact")}, True),
        ({"failure": failure("infrastructure", "scoring")}, False),
    ],
)
def test_further_seeds_are_run_only_while_they_can_matter(
    parts: dict[str, Any], over: bool
) -> None:
    run = seed_run(PLAN.draws[0], **parts)
    wanted = next_step(Case.of(PLAN, [run]))
    assert wanted.over is over
    left = PLAN.draws if run.lost else PLAN.draws[1:]  # the same draw again: no new ticket
    assert wanted.draws == (() if over else left)
    if over:
        assert wanted.why


def test_a_draw_that_is_given_up_is_wanted_no_more() -> None:
    assert next_step(Case.of(PLAN, []), given_up={0, 1}).draws == (PLAN.draws[2],)
    assert next_step(Case.of(PLAN, []), given_up={0, 1, 2}).over
    done = next_step(Case.of(PLAN, good_runs(PLAN)))
    assert done.over and not done.draws and not done.why


def test_the_preparation_comes_before_any_seed() -> None:
    made, runs = BROKEN_IN_EVIDENCE["tokenizer"]
    assert next_step(Case.of(made, [])).draws == made.draws_for("preparation")
    lossless = good_runs(made)[:1]
    assert next_step(Case.of(made, lossless)).draws == made.draws_for("look")
    assert next_step(Case.of(made, runs[:1])).why.startswith("tokenizer: ")


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.sampled_from(["train", "score"]))
def test_clocks_agree_exactly_within_the_tolerance(
    engine: float, low: float, gap: float, which: str
) -> None:
    facts = phase(
        which,
        wallclock_seconds=engine,
        harness_seconds_low=low,
        harness_seconds_high=low + gap,
    )
    apart = max(low - engine, engine - (low + gap), 0)
    parts: dict[str, Any] = {which: facts}
    found = status(verdict_of(PLAN, with_first(PLAN, **parts)), "clocks")
    assert found == ("pass" if apart <= CLOCK_TOLERANCE_SECONDS else "unknown")


def test_every_rule_is_broken_once() -> None:
    assert set(BROKEN_IN_EVIDENCE) == {rule.id for rule in CHECKS}
    assert len({rule.id for rule in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("name", [rule.id for rule in CHECKS if rule.id not in ENDS_THE_RUN])
def test_each_rule_alone_stands_between_broken_evidence_and_a_record(name: str) -> None:
    made, runs = BROKEN_IN_EVIDENCE[name]
    verdict = verdict_of(made, runs)
    assert [check.id for check in verdict.checks if check.status != "pass"] == [name]
    assert verdict.verdict in ("REJECTED", "INCONCLUSIVE")
    best = "REPRODUCED" if made.entry.only_reproduced else "VERIFIED"
    with switched_off(name):
        assert verdict_of(made, runs).verdict == best


@pytest.mark.parametrize("name", sorted(ENDS_THE_RUN))
def test_what_ends_a_run_is_found_by_one_rule_and_leaves_the_others_open(name: str) -> None:
    made, runs = BROKEN_IN_EVIDENCE[name]
    verdict = verdict_of(made, runs)
    assert verdict.verdict == "REJECTED"
    assert [check.id for check in verdict.checks if check.status == "fail"] == [name]
    with switched_off(name):
        assert verdict_of(made, runs).verdict == "INCONCLUSIVE"


def test_a_question_that_does_not_arise_is_not_answered() -> None:
    made = plan(strict_track(significance=Significance(seeds=1), bar=None))
    assert made.bar is None and made.test is None
    found = verdict_of(made, good_runs(made))
    unasked = {rule.id for rule in CHECKS} - {check.id for check in found.checks}
    of_scripts = {"bridge", "total_wallclock", "sealed", "own_evaluation", "blind", "reproduction"}
    assert unasked - of_scripts == {
        *("holdout", "seed_spread", "significance", "confirmation", "doubts")
    }
    assert of_scripts < unasked
    asked = [check.id for check in found.checks]
    assert asked == [rule.id for rule in CHECKS if rule.id in asked]  # in their order
    every = upstream_plan(looking_track(holdout=UNPUBLISHED))
    good = upstream_runs(every, GOOD_SCORES * 4, gap=gap(0.001))
    asked = [check.id for check in verdict_of(every, good).checks]
    assert asked == [rule.id for rule in CHECKS if rule.id != "own_evaluation"]
    cache = upstream_plan(entry=upstream_entry(rests_on="cache"))
    asked = [check.id for check in verdict_of(cache, upstream_runs(cache)).checks]
    assert "own_evaluation" in asked and "blind" not in asked


def test_seeds_that_scatter_less_than_any_real_ones_are_for_a_human() -> None:
    near = (2.6, 2.6 + 0.9 * SMALLEST_SPREAD_BPB, 2.6)
    apart = (2.6, 2.6 + 1.1 * SMALLEST_SPREAD_BPB, 2.6)
    assert status(verdict_of(PLAN, good_runs(PLAN, near)), "seed_spread") == "unknown"
    assert status(verdict_of(PLAN, good_runs(PLAN, apart)), "seed_spread") == "pass"


def claiming(**claims: float) -> Plan:
    return plan(entry=entry(claim=Claim.model_validate(claims)))


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({}, []),
        ({"val_bpb": 2.6101, "bytes_total": 30_400}, []),
        ({"val_bpb": 2.5}, ["claimed score"]),
        ({"val_bpb": 2.7}, ["claimed score"]),
        ({"bytes_total": 29_000}, ["claimed bytes"]),
        ({"val_bpb": 0.9, "bytes_total": 12}, ["claimed score", "claimed bytes"]),
    ],
)
def test_a_wrong_claim_is_told_and_rejects_nothing(
    claims: dict[str, float], found: list[str]
) -> None:
    made = claiming(**claims)
    verdict = verdict_of(made, good_runs(made))
    assert [finding.name for finding in verdict.findings] == found
    assert verdict.verdict == "VERIFIED"
    assert all(finding.detail in " ".join(shown(verdict).split()) for finding in verdict.findings)
    rehearsal = verdict_of(made, good_runs(made), track=load_track("smoke"))
    assert rehearsal.findings == ()  # the claim is for the contest


def shown(verdict: Verdict) -> str:
    return render_text(verdict, width=1000)


def test_a_second_try_is_told_and_rejects_nothing() -> None:
    made = plan(tries=Tries(earlier=2))
    verdict = verdict_of(made, good_runs(made))
    (finding,) = verdict.findings
    assert "try 3 of the same submission" in finding.detail and "0.03" in finding.detail
    assert "try 3 of the same submission" in shown(verdict)
    assert verdict.verdict == "VERIFIED"


def test_a_gain_that_chance_explains_is_put_up_with() -> None:
    few = probes(gain=0.003, gain_error_nats=0.001, mean_change_nats=0.03)
    assert status(verdict_of(PLAN, with_first(PLAN, probes=few)), "causality") == "pass"


def moved(run: Run, *, asked_on: str) -> Run:
    """A run that was trained and scored on n1, and asked again on a node."""
    there = host().model_copy(update={"node": asked_on})
    scored = host().model_copy(update={"node": "n1"})
    move = Move(step="probe", answers_sha256="a" * 64, host=there)
    return run.model_copy(update={"host": scored, "moves": (move,)})


def test_a_plan_that_asks_elsewhere_is_held_to_it() -> None:
    elsewhere = PLAN.model_copy(update={"elsewhere": True})
    check = isolation_check([moved(run, asked_on="n2") for run in good_runs(PLAN)], elsewhere)
    assert check.status == "pass"
    assert check.detail.endswith("; asked again on other machines")
    first = PLAN.seeds[0]
    for runs, where in (
        ([moved(run, asked_on="n1") for run in good_runs(PLAN)], " (n1)"),
        (good_runs(PLAN), ""),
    ):
        check = isolation_check(runs, elsewhere)
        assert check.status == "unknown"
        assert check.detail == f"seed {first}: probe: asked again where it was scored{where}"
        assert isolation_check(runs).status == "pass", "no plan asked for it"
