"""Entries in upstream's layout: what is wanted next, what each stage says, what is only printed."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.entry import UNKNOWN_ARTIFACT, Claim
from harness.contest.track import Reproduction, load_track
from harness.evidence.plan import Plan
from harness.evidence.results import BridgeProof, OtherWindows
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.contradictions import contradictions
from harness.judge.next_step import Wanted, next_step
from harness.judge.only_reproduced import NOBODY_CHECKED
from harness.judge.rules.reproduction import allowed_bpb
from harness.judge.verdict import EXIT_CODES, Verdict
from tests.factories.broken import ASTRAY
from tests.factories.plans import looking_track, plan, strict_track
from tests.factories.results import bridge_proof, failure
from tests.factories.runs import GOOD_SCORES, preparation, verdict_of
from tests.factories.upstream import (
    again,
    blind_run,
    early,
    upstream_entry,
    upstream_plan,
    upstream_runs,
    whole_phase,
)

MADE = upstream_plan()
LOOKING = upstream_plan(looking_track())
CACHED = upstream_plan(entry=upstream_entry(rests_on="cache"))
WHOLE = upstream_plan(entry=upstream_entry(whole=True))
BEFORE, FIRST, *_ = MADE.draws


def wanted(made: Plan, *runs: Run, **how: Any) -> Wanted:
    return next_step(Case.of(made, runs), **how)


def purposes(found: Wanted) -> list[str]:
    return [draw.purpose for draw in found.draws]


def check(verdict: Verdict, rule: str) -> Any:
    return next(each for each in verdict.checks if each.id == rule)


def stage(verdict: Verdict, name: str) -> Any:
    assert verdict.upstream is not None
    return next(each for each in verdict.upstream.stages if each.name == name)


# -- What is wanted next.


def test_the_bridge_then_the_looks_then_the_true_split() -> None:
    assert purposes(wanted(MADE)) == ["preparation"]
    assert purposes(wanted(MADE, preparation(MADE))) == ["look"] * 3
    blind = upstream_runs(MADE, printed=None)
    assert purposes(wanted(MADE, *blind)) == ["reproduction"]
    over = wanted(MADE, *upstream_runs(MADE))
    assert over.over and over.why == ""


def test_a_bridge_that_leads_astray_ends_it_before_anything_is_trained() -> None:
    for made in (MADE, upstream_plan(load_track("smoke"))):
        found = wanted(made, preparation(made, bridge=ASTRAY))
        assert found.over and found.why.startswith("bridge: our loss 4.35")
        verdict = verdict_of(made, [preparation(made, bridge=ASTRAY)])
        assert verdict.verdict == "INCONCLUSIVE"
        assert verdict.reason == found.why
        assert stage(verdict, "proven").word == "open"
        assert stage(verdict, "trained blind").word == "not reached"


def without_a_proof(fault: str) -> Run:
    run = preparation(MADE)
    (step,) = run.steps
    failed = step.model_copy(update={"result": None, "failure": failure(fault, "bridge", "no")})
    return run.model_copy(update={"steps": (failed,)})


def test_a_script_that_does_not_run_ends_it_and_a_host_that_fails_does_not() -> None:
    found = wanted(MADE, without_a_proof("submission"))
    assert found.over and found.why == "bridge: no"
    assert verdict_of(MADE, [without_a_proof("submission")]).verdict == "REJECTED"
    assert purposes(wanted(MADE, without_a_proof("infrastructure"))) == ["preparation"]
    given_up = wanted(MADE, without_a_proof("infrastructure"), given_up={BEFORE.number})
    assert given_up.over and not given_up.draws


def test_a_model_that_was_not_asked_is_not_proven_to_be_the_right_one() -> None:
    unasked = ASTRAY.model_copy(update={"our_loss": None})
    assert wanted(MADE, preparation(MADE, bridge=unasked)).over
    assert purposes(wanted(WHOLE, *upstream_runs(WHOLE, printed=None)[:1])) == ["look"]


def test_nothing_is_trained_where_nobody_knows_which_file_the_artifact_is() -> None:
    """That is the bridge's to say: it rejects nobody."""
    entered = upstream_entry(whole=True)
    train = entered.train.model_copy(update={"artifact": UNKNOWN_ARTIFACT})
    made = upstream_plan(entry=entered.model_copy(update={"train": train}))
    runs = upstream_runs(made)[:1]
    assert wanted(made, *runs).over
    verdict = verdict_of(made, runs)
    assert verdict.verdict == "INCONCLUSIVE"
    assert "does not say which file its artifact is" in verdict.reason
    assert "bridge.toml" in check(verdict, "bridge").remedy
    assert contradictions(verdict) == []


def test_a_proof_says_to_which_windows_it_is_blind() -> None:
    others = (
        OtherWindows(rule="a context of 64", loss=2.6000004),
        OtherWindows(rule="a stride of 128", loss=2.600002),
    )
    exact = {"tolerance_nats": 1e-5, "other_windows": others}
    proof = bridge_proof(our=2.6).model_copy(update=exact)
    assert proof.agrees and proof.blind_to == ("a context of 64",)
    rounded = proof.model_copy(update={"tolerance_nats": 6e-5})
    assert rounded.blind_to == ("a context of 64", "a stride of 128")
    worse = proof.model_copy(update={"printed_loss": 2.6000003})
    assert worse.agrees and worse.blind_to == ("a context of 64", "a stride of 128")
    found = check(verdict_of(MADE, [preparation(MADE, bridge=proof)]), "bridge")
    assert found.status == "pass"
    assert found.detail.endswith("our loss would have been the same with a context of 64")


@pytest.mark.parametrize("made", [CACHED, WHOLE])
def test_what_is_only_reproduced_is_run_blind_once(made: Plan) -> None:
    assert [draw.purpose for draw in made.draws] == ["preparation", "look", "reproduction"]
    assert made.draws[1].seed == made.draws[2].seed
    before, blind, last = upstream_runs(made)
    assert purposes(wanted(made, before)) == ["look"]
    assert purposes(wanted(made, before, blind)) == ["reproduction"]
    assert wanted(made, before, blind, last).over


def test_the_true_split_is_not_shown_where_nothing_can_come_of_it() -> None:
    bad = upstream_runs(MADE, (3.41, 3.42, 3.43), printed=None)
    assert wanted(MADE, *bad).over  # the looks refused
    accepted = upstream_runs(LOOKING, (2.6100, 2.6105, 2.6098), printed=None)
    assert wanted(LOOKING, *accepted).over  # it waits to be confirmed
    assert purposes(wanted(LOOKING, *accepted, confirming=True)) == ["confirmation"] * 3
    assert purposes(wanted(LOOKING, *accepted, *fresh(2.61), confirming=True)) == ["reproduction"]
    assert purposes(wanted(LOOKING, *accepted, *fresh(2.61))) == ["reproduction"]
    luck = wanted(LOOKING, *accepted, *fresh(3.41), confirming=True)
    assert luck.over and luck.why.startswith("confirmation: ")


def fresh(bpb: float) -> list[Run]:
    draws = LOOKING.draws_for("confirmation")
    return [blind_run(LOOKING, draw, bpb + draw.number / 1e4) for draw in draws]


@given(
    st.sampled_from([MADE, LOOKING, CACHED, WHOLE]),
    st.lists(st.sampled_from(["good", "bad", "lost", "missing"]), min_size=13, max_size=13),
    st.booleans(),
    st.sets(st.integers(0, 12)),
)
def test_nothing_blind_is_left_when_the_true_split_is_shown(
    made: Plan, fates: list[str], confirming: bool, given_up: set[int]
) -> None:
    runs = []
    for draw, fate in zip(made.draws, fates, strict=False):
        if fate == "missing":
            continue
        if draw.role == "preparation":
            run = upstream_runs(made)[0]
        elif draw.role == "seed":
            run = blind_run(made, draw, 2.61 + draw.number / 1e4 + (fate == "bad"))
        else:
            run = again(draw)
        runs.append(run.model_copy(update={"ended": fate != "lost"}))
    case = Case.of(made, runs)
    found = next_step(case, confirming=confirming, given_up=given_up)
    assert found.over == (not found.draws)
    kept = {run.draw for run in runs if not run.lost}
    assert not kept & {draw.number for draw in found.draws}
    assert not given_up & {draw.number for draw in found.draws}
    assert len(set(purposes(found))) <= 1
    asked = set(purposes(found))
    if asked - {"preparation"}:
        assert made.draws[0].number in kept
    if "reproduction" in asked:
        looks = made.draws_for("look")[: case.runs_needed]
        assert {draw.number for draw in looks} <= kept
        assert case.statistics.accepted or not case.statistics.decided
        if case.statistics.accepted:
            assert {draw.number for draw in made.draws_for("confirmation")} <= kept


# -- What is only printed.


@pytest.mark.parametrize("made", [CACHED, WHOLE])
def test_what_is_only_reproduced_is_never_verified(made: Plan) -> None:
    verdict = verdict_of(made, upstream_runs(made))
    assert (verdict.verdict, verdict.reason) == ("REPRODUCED", NOBODY_CHECKED)
    assert EXIT_CODES[verdict.verdict] == 4
    assert verdict.statistics.bar_bpb is None and verdict.spending is None
    assert not {c.id for c in verdict.checks} & {"significance", "seed_spread", "holdout", "blind"}
    assert {c.status for c in verdict.checks} == {"pass"}
    assert stage(verdict, "reproduced").detail.endswith(NOBODY_CHECKED)
    assert [note.id for note in verdict.findings] == []


def test_the_network_alone_is_scored_by_us_and_is_no_measure_of_the_claim() -> None:
    far = upstream_plan(entry=upstream_entry(rests_on="cache", claim=Claim(val_bpb=1.5)))
    verdict = verdict_of(far, upstream_runs(far, printed=1.5))
    assert verdict.verdict == "REPRODUCED"
    assert "2.6100 BPB for the network alone" in stage(verdict, "scored by us").detail
    assert verdict.findings == ()  # not: the claim is off


def test_of_what_cannot_be_asked_nothing_is_asked() -> None:
    verdict = verdict_of(WHOLE, upstream_runs(WHOLE))
    about = {"scoring", "score_wallclock", "coverage", "causality", "memory", "memorisation"}
    assert not about & {each.id for each in verdict.checks}
    assert stage(verdict, "scored by us").word == "not possible"


@pytest.mark.parametrize("whole", [True, False])
def test_who_claims_nothing_prints_nothing_again(whole: bool) -> None:
    entered = upstream_entry(whole=whole, rests_on=None if whole else "cache", claim=Claim())
    made = upstream_plan(entry=entered)
    verdict = verdict_of(made, upstream_runs(made))
    assert verdict.verdict == "INCONCLUSIVE"
    assert "claims no score" in verdict.reason
    asked = upstream_plan(entry=upstream_entry(claim=Claim()))
    assert verdict_of(asked, upstream_runs(asked)).verdict == "VERIFIED"  # by our own score


def test_a_rehearsal_holds_no_claim_against_a_script_that_was_made_small() -> None:
    small = upstream_plan(
        load_track("smoke"), entry=upstream_entry(rests_on="chunks", claim=Claim(val_bpb=1.1))
    )
    verdict = verdict_of(small, upstream_runs(small, printed=2.6))
    assert verdict.verdict == "REHEARSED"
    assert verdict.upstream is not None and verdict.upstream.scaled_down
    assert "made small" in check(verdict, "reproduction").detail


# -- The figures.


@given(st.floats(0.5, 5), st.floats(-0.2, 0.2))
def test_a_claim_is_reproduced_within_what_chance_explains(claim: float, worse: float) -> None:
    entered = upstream_entry(whole=True, claim=Claim(val_bpb=claim))
    made = upstream_plan(entry=entered)
    found = verdict_of(made, upstream_runs(made, printed=claim + worse))
    asked = made.track.reproduction
    assert asked is not None
    expected = claim + worse - claim <= allowed_bpb(asked, runs=1)
    assert found.verdict == ("REPRODUCED" if expected else "REJECTED")


@pytest.mark.parametrize("claimed", [2.60, 2.62])
def test_a_claim_that_is_not_printed_again_rejects_nobody_whom_we_score(claimed: float) -> None:
    """It is said, in the stages too; the record falls by what we measured."""
    made = upstream_plan(entry=upstream_entry(claim=Claim(val_bpb=claimed)))
    verdict = verdict_of(made, upstream_runs(made, printed=2.64))
    found = check(verdict, "reproduction")
    assert (verdict.verdict, found.status) == ("VERIFIED", "pass")
    assert found.measured == pytest.approx(2.64 - claimed) and found.limit is None
    again_printed = claimed == 2.62
    assert ("not reproduced" in found.detail) != again_printed
    assert stage(verdict, "reproduced").word == ("yes" if again_printed else "no")
    assert contradictions(verdict) == []


def test_more_runs_allow_less() -> None:
    asked = Reproduction(field_sd_bpb=0.0007)
    allowed = [allowed_bpb(asked, runs=runs) for runs in (1, 2, 3, 100)]
    assert allowed == sorted(allowed, reverse=True)
    assert allowed[0] == pytest.approx(2.3263 * 0.0007 * 2**0.5, rel=1e-4)


@given(st.floats(-0.2, 0.2))
def test_what_is_printed_with_the_text_is_not_better_than_what_we_scored_without(
    better: float,
) -> None:
    limit = 0.04  # four deviations of the track's field
    verdict = verdict_of(MADE, upstream_runs(MADE, printed=GOOD_SCORES[0] - better))
    expected = "fail" if better > limit else "pass" if better >= -limit else "unknown"
    if abs(abs(better) - limit) > 1e-9:
        assert check(verdict, "blind").status == expected


@pytest.mark.parametrize("rehearsal", [False, True])
def test_who_counts_too_many_bytes_prints_too_low_a_bpb_for_his_loss(rehearsal: bool) -> None:
    """On the contest's text that shows; elsewhere honest tables of bytes are wrong as well."""
    made = upstream_plan(load_track("smoke")) if rehearsal else MADE
    case, first = Case.of(made, []), made.draws_for("look")[0]
    bits = GOOD_SCORES[0] * case.dataset.validation_bytes
    loss = bits * math.log(2) / case.targets
    last = again(made.draws[-1], GOOD_SCORES[0] * 0.9, loss=loss)
    assert last.seed == first.seed
    verdict = verdict_of(made, [*upstream_runs(made, printed=None), last])
    assert check(verdict, "blind").status == ("pass" if rehearsal else "fail")


def test_a_seed_that_was_not_scored_is_compared_with_nothing() -> None:
    other = MADE.draws_for("look")[1]
    last = again(MADE.draws[-1]).model_copy(update={"seed": other.seed + 1})
    verdict = verdict_of(MADE, [*upstream_runs(MADE, printed=None), last])
    assert check(verdict, "blind").status == "unknown"


# -- The artifact, and the clock.


def with_first(**train: Any) -> list[Run]:
    runs = upstream_runs(MADE)
    return [runs[0], blind_run(MADE, FIRST, train=whole_phase("train", FIRST, **train)), *runs[2:]]


def seconds(wallclock: float, apart: float = 0.0) -> dict[str, float]:
    return {
        "wallclock_seconds": wallclock,
        "harness_seconds_low": wallclock - 0.1 - apart,
        "harness_seconds_high": wallclock + 0.1 - apart,
    }


def test_the_budget_of_training_ends_where_the_artifact_is_sealed() -> None:
    verdict = verdict_of(MADE, with_first(**seconds(79.0)))
    assert verdict.verdict == "VERIFIED"
    assert (verdict.seeds[0].train_seconds, verdict.seeds[0].whole_seconds) == (14.0, 79.0)
    sealed_late = early(FIRST, by="budget", seconds=20.4)
    assert verdict_of(MADE, with_first(early=sealed_late)).seeds[0].train_seconds == 20.0
    read_late = verdict_of(MADE, with_first(early=early(FIRST, seconds=20.4)))
    assert check(read_late, "train_wallclock").status == "fail"


def test_a_whole_script_has_both_budgets_and_no_more() -> None:
    assert verdict_of(MADE, with_first(**seconds(80.0))).verdict == "VERIFIED"
    late = verdict_of(MADE, with_first(**seconds(80.3)))
    assert late.reason == "total_wallclock: ended after the limit"
    killed = verdict_of(MADE, with_first(outcome="deadline", **seconds(80.0)))
    assert killed.reason == "total_wallclock: killed at the limit"
    assert check(killed, "train_wallclock").status == "pass"


def test_a_clock_that_stood_still_rejects_nobody() -> None:
    verdict = verdict_of(MADE, with_first(**seconds(81.0, apart=2.0)))
    assert check(verdict, "total_wallclock").status == "unknown"
    assert verdict.verdict == "INCONCLUSIVE"


def test_what_is_another_file_at_the_end_was_changed_when_the_time_was_over() -> None:
    verdict = verdict_of(MADE, with_first(early=early(FIRST, at_end="changed")))
    assert verdict.verdict == "REJECTED"
    assert verdict.reason.startswith(f"sealed: seed {FIRST.seed}: model.bin was sealed when")
    assert stage(verdict, "trained blind").word == "no"
    last = MADE.draws[-1]
    ran = whole_phase("reproduce", last, early=early(last, at_end="changed"))
    verdict = verdict_of(MADE, [*upstream_runs(MADE, printed=None), again(last, ran=ran)])
    assert verdict.reason.startswith("reproduction: model.bin was sealed when")
    assert stage(verdict, "trained blind").word == "yes"


def test_what_is_put_away_when_it_is_sealed_is_no_other_file() -> None:
    """As by a script that moves its artifact beside its log."""
    verdict = verdict_of(MADE, with_first(early=early(FIRST, at_end="gone")))
    found = check(verdict, "sealed")
    assert (found.status, found.measured) == ("pass", found.limit)
    assert found.detail == f"seed {FIRST.seed}: what was sealed in time was put away later"
    assert verdict.verdict == "VERIFIED"


def test_nobody_who_looked_at_the_end_is_unknown() -> None:
    verdict = verdict_of(MADE, with_first(early=early(FIRST, at_end=None)))
    assert (check(verdict, "sealed").status, check(verdict, "sealed").measured) == ("unknown", 2)


def test_a_submission_in_our_layout_is_asked_none_of_this() -> None:
    ordinary = plan(strict_track())
    asked = {each.id for each in verdict_of(ordinary, []).checks}
    of_scripts = {"bridge", "total_wallclock", "sealed", "own_evaluation", "reproduction", "blind"}
    assert not asked & of_scripts
    assert verdict_of(ordinary, []).upstream is None


@pytest.mark.parametrize(
    ("driven", "printed", "status", "said"),
    [
        (1.5, 1.500001, "pass", "its loop, driven, scored 1.50000000, and printed 1.50000100"),
        (1.5, 1.501, "unknown", "it is not driven as it runs"),
        (2.0, 2.0, "unknown", "it learned too little to tell whether it was driven"),
        (1.5, None, "unknown", "nothing to compare its driven loop with"),
    ],
)
def test_a_driven_loop_is_proven_too(
    driven: float, printed: float | None, status: str, said: str
) -> None:
    proof = BridgeProof(
        our_loss=2.0,
        printed_loss=2.0,
        tolerance_nats=1e-5,
        startup_seconds=0.0,
        driven_loss=driven,
        driven_printed_loss=printed,
    )
    found = check(verdict_of(MADE, [preparation(MADE, bridge=proof)]), "bridge")
    assert (found.status, bool(found.remedy)) == (status, status != "pass")
    assert said in found.detail
    assert wanted(MADE, preparation(MADE, bridge=proof)).over == (status != "pass")
