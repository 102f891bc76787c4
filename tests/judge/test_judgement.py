"""The rules: every check is broken once, alone, and the verdict follows."""

from typing import get_args

import pytest
from harness.evidence.facts import IsolationFact, SandboxFacts, SeedRun, Throttle, Verification
from harness.judge.judgement import EXIT_CODES, is_hopeless, judge
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.entry import Claim
from harness.contest.track import Budget, Hardware, Track, load_track
from harness.judge.rules.clocks import CLOCK_TOLERANCE_SECONDS
from harness.judge.rules.seed_spread import SMALLEST_SPREAD_BPB
from harness.judge.verdict import CheckId, Verdict
from harness.report.terminal import render_text
from tests.factories.broken import (
    BIG,
    BROKEN_IN_EVIDENCE,
    FITS,
    KILLED,
    LATE,
    PLAN,
    SLOW,
    lost,
    seen,
    switched_off,
    with_first,
)
from tests.factories.samples import (
    CODE_BYTES,
    good_runs,
    phase,
    scoring,
    strict_track,
    verification,
)


def verdict_of(plan: Verification, runs: list[SeedRun], *, track: Track | None = None) -> Verdict:
    return judge(plan, runs, evidence="runs/x", track=track)


def status(verdict: Verdict, name: str) -> str:
    return next(check.status for check in verdict.checks if check.id == name)


def test_a_clean_record_is_verified() -> None:
    plan = verification()
    verdict = verdict_of(plan, good_runs(plan))
    assert verdict.verdict == "VERIFIED"
    assert {check.status for check in verdict.checks} == {"pass"}
    assert verdict.statistics.significant
    assert EXIT_CODES[verdict.verdict] == 0


def test_a_rehearsal_track_never_verifies() -> None:
    plan = verification(load_track("smoke"))
    verdict = verdict_of(plan, good_runs(plan))
    assert verdict.verdict == "REHEARSED"
    assert {check.status for check in verdict.checks} == {"pass"}


def test_the_process_sandbox_never_verifies() -> None:
    plan = verification(sandbox=SandboxFacts(kind="process"))
    verdict = verdict_of(plan, good_runs(plan))
    assert verdict.verdict == "REHEARSED"
    assert status(verdict, "isolation") == "unknown"
    assert all(check.status == "pass" for check in verdict.checks if check.id != "isolation")


@pytest.mark.parametrize(
    ("broken", "runs"),
    [
        ("train_wallclock", with_first(PLAN, train=LATE)),
        (
            "train_wallclock",
            with_first(PLAN, train=KILLED, artifact=None, score=None, scoring=None),
        ),
        ("score_wallclock", with_first(PLAN, score=SLOW)),
        ("causality", with_first(PLAN, probes=seen(largest=0.6))),
        ("causality", with_first(PLAN, probes=seen(gain=0.003))),
        ("causality", with_first(PLAN, probes=seen(gain=0.003, gain_error_nats=0.0008))),
        ("causality", with_first(PLAN, probes=seen(gain=-0.04, mean_change_nats=0.06))),
        ("causality", with_first(PLAN, probes=None, trouble=lost("submission", "probe"))),
        ("bytes", with_first(PLAN, artifact=BIG)),
        ("training", with_first(PLAN, trouble=lost("submission", "train"), artifact=None)),
        ("artifact", with_first(PLAN, trouble=lost("submission", "seal"), artifact=None)),
        ("scoring", with_first(PLAN, trouble=lost("submission", "score"), scoring=None)),
        ("significance", good_runs(PLAN, (3.3999, 3.40, 3.3998))),
        ("significance", good_runs(PLAN, (2.0, 2.6, 3.3))),
        ("significance", good_runs(PLAN, (3.5, 3.5, 3.5))),
    ],
)
def test_each_fault_of_the_submission_rejects_and_is_named(
    broken: str, runs: list[SeedRun]
) -> None:
    for plan in (PLAN, verification(load_track("smoke"))):
        runs_there = [
            run.model_copy(update={"seed": seed})
            for run, seed in zip(runs, plan.seeds, strict=True)
        ]
        verdict = verdict_of(plan, runs_there)
        assert verdict.verdict == "REJECTED"
        assert [check.id for check in verdict.checks if check.status == "fail"] == [broken]
        assert verdict.reason.startswith(broken)
        assert EXIT_CODES[verdict.verdict] == 1


@pytest.mark.parametrize(
    ("broken", "runs"),
    [
        ("clocks", with_first(PLAN, train=phase("train", harness_seconds_high=14.4))),
        ("clocks", with_first(PLAN, train=phase("train", harness_seconds_low=15.6))),
        ("score_wallclock", with_first(PLAN, score=SLOW.model_copy(update={"stalled_seconds": 2}))),
        ("train_wallclock", with_first(PLAN, train=phase("train", wallclock_seconds=21))),
        ("causality", with_first(PLAN, probes=None)),
        ("causality", with_first(PLAN, probes=seen(probes=127))),
        ("causality", with_first(PLAN, probes=None, trouble=lost("infrastructure", "probe"))),
        ("coverage", with_first(PLAN, scoring=scoring(2.61, targets=199_998))),
        ("coverage", with_first(PLAN, scoring=scoring(2.61, bytes=480_001))),
        ("training", with_first(PLAN, trouble=lost("infrastructure", "train"), artifact=None)),
        ("artifact", with_first(PLAN, trouble=lost("infrastructure", "seal"), artifact=None)),
        ("scoring", with_first(PLAN, trouble=lost("infrastructure", "score"), scoring=None)),
        ("seed_spread", good_runs(PLAN, (2.6, 2.6, 2.6))),
        ("seed_spread", with_first(PLAN, artifact=good_runs(PLAN)[1].artifact)),
        ("seeds", good_runs(PLAN)[:2]),
        ("seeds", []),
    ],
)
def test_each_fault_of_ours_is_inconclusive_even_in_a_rehearsal(
    broken: str, runs: list[SeedRun]
) -> None:
    verdict = verdict_of(PLAN, runs)
    assert verdict.verdict == "INCONCLUSIVE"
    assert status(verdict, broken) == "unknown"
    assert EXIT_CODES[verdict.verdict] == 3
    assert verdict_of(PLAN, runs, track=load_track("smoke")).verdict == "INCONCLUSIVE"


def test_isolation_needs_every_property_read_back() -> None:
    leaky = phase("train", isolation=(IsolationFact(name="network", expected="none", actual="x"),))
    unread = phase("train", isolation=())
    whole = phase("train").isolation
    fewer = [
        phase("train", isolation=tuple(fact for fact in whole if fact.name != left_out))
        for left_out in ("network", "output")
    ]
    for train in (leaky, unread, *fewer):
        verdict = verdict_of(PLAN, with_first(PLAN, train=train))
        assert status(verdict, "isolation") == "unknown"
        assert verdict.verdict == "INCONCLUSIVE"


def test_hand_given_seeds_never_verify() -> None:
    for plan in (
        verification(seeds_drawn=False),
        verification(seeds=(1, 2, 3)),
        verification(nonce="another"),
    ):
        verdict = verdict_of(plan, good_runs(plan))
        assert status(verdict, "seeds") == "unknown"
        assert verdict.verdict == "INCONCLUSIVE"
        assert verdict_of(plan, good_runs(plan), track=load_track("smoke")).verdict == "REHEARSED"


def test_a_machine_that_does_not_meet_the_track_is_ours_to_cure() -> None:
    needs = strict_track(hardware=Hardware(accelerators=1, accelerator_name="GPU"))
    plan = verification(needs)
    assert verdict_of(plan, good_runs(plan)).verdict == "VERIFIED"
    slow = with_first(plan, throttle=Throttle(samples=3, slowdowns=("hw_slowdown",)))
    shared = with_first(plan, throttle=Throttle(samples=3, foreign_processes=1))
    other = needs.model_copy(update={"hardware": Hardware(accelerators=2, accelerator_name="GPU")})
    for verdict in (
        verdict_of(plan, slow),
        verdict_of(plan, shared),
        verdict_of(plan, good_runs(plan), track=other),
    ):
        assert status(verdict, "hardware") == "unknown"
        assert verdict.verdict == "INCONCLUSIVE"


def test_evidence_of_another_dataset_cannot_be_judged_under_the_official_track() -> None:
    plan = verification(load_track("smoke"))
    verdict = verdict_of(plan, good_runs(plan), track=load_track("10min_16mb"))
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
    ("changes", "hopeless"),
    [
        ({}, False),
        ({"train": KILLED}, True),
        ({"artifact": BIG}, True),
        ({"artifact": FITS}, False),
        ({"trouble": lost("submission", "seal")}, True),
        ({"trouble": lost("infrastructure", "score")}, True),
    ],
)
def test_further_seeds_are_run_only_while_they_can_matter(
    changes: dict[str, object], hopeless: bool
) -> None:
    run = with_first(PLAN, **changes)[0]
    assert is_hopeless(run, PLAN.track, code_bytes=CODE_BYTES) is hopeless


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.sampled_from(["train", "score"]))
def test_clocks_agree_exactly_within_the_tolerance(
    engine: float, low: float, gap: float, which: str
) -> None:
    facts = phase(
        which,  # type: ignore[arg-type]
        wallclock_seconds=engine,
        harness_seconds_low=low,
        harness_seconds_high=low + gap,
    )
    apart = max(low - engine, engine - (low + gap), 0)
    found = status(verdict_of(PLAN, with_first(PLAN, **{which: facts})), "clocks")
    assert found == ("pass" if apart <= CLOCK_TOLERANCE_SECONDS else "unknown")


@pytest.mark.parametrize("name", get_args(CheckId))
def test_each_check_alone_stands_between_broken_evidence_and_a_record(name: str) -> None:
    plan, runs = BROKEN_IN_EVIDENCE[name]
    verdict = verdict_of(plan, runs)
    assert [check.id for check in verdict.checks if check.status != "pass"] == [name]
    assert verdict.verdict in ("REJECTED", "INCONCLUSIVE")
    with switched_off(name):
        assert verdict_of(plan, runs).verdict == "VERIFIED"


def test_seeds_that_scatter_less_than_any_real_ones_are_for_a_human() -> None:
    near = (2.6, 2.6 + 0.9 * SMALLEST_SPREAD_BPB, 2.6)
    apart = (2.6, 2.6 + 1.1 * SMALLEST_SPREAD_BPB, 2.6)
    assert status(verdict_of(PLAN, good_runs(PLAN, near)), "seed_spread") == "unknown"
    assert status(verdict_of(PLAN, good_runs(PLAN, apart)), "seed_spread") == "pass"


def claiming(**claims: float) -> Verification:
    submission = PLAN.submission.model_copy(update={"claim": Claim.model_validate(claims)})
    return verification(submission=submission)


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({}, []),
        ({"val_bpb": 2.6101, "bytes_total": 1_030_300}, []),
        ({"val_bpb": 2.5}, ["claimed score"]),
        ({"val_bpb": 2.7}, ["claimed score"]),
        ({"bytes_total": 900_000}, ["claimed bytes"]),
        ({"val_bpb": 0.9, "bytes_total": 12}, ["claimed score", "claimed bytes"]),
    ],
)
def test_a_wrong_claim_is_told_and_rejects_nothing(
    claims: dict[str, float], found: list[str]
) -> None:
    plan = claiming(**claims)
    verdict = verdict_of(plan, good_runs(plan))
    assert [finding.name for finding in verdict.findings] == found
    assert verdict.verdict == "VERIFIED"
    assert all(finding.detail in " ".join(shown(verdict).split()) for finding in verdict.findings)
    rehearsal = verdict_of(plan, good_runs(plan), track=load_track("smoke"))
    assert rehearsal.findings == ()  # the claim is for the contest


def shown(verdict: Verdict) -> str:
    return render_text(verdict, width=1000)


def test_a_second_try_is_told_and_rejects_nothing() -> None:
    plan = verification(earlier=2)
    verdict = verdict_of(plan, good_runs(plan))
    (finding,) = verdict.findings
    assert "try 3 of this very submission" in finding.detail and "0.03" in finding.detail
    assert "try 3 of this very submission" in shown(verdict)
    assert verdict.verdict == "VERIFIED"


def test_a_gain_that_chance_explains_is_put_up_with() -> None:
    few = seen(gain=0.003, gain_error_nats=0.001, mean_change_nats=0.03)
    assert status(verdict_of(PLAN, with_first(PLAN, probes=few)), "causality") == "pass"
