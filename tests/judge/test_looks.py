"""Looks at the seeds while they are run: what each asks for, what decides, and what counts."""

import math
from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.significance import Look, Significance
from harness.contest.track import Bar as TrackBar
from harness.contest.track import Track, load_track
from harness.evidence.plan import Bar
from harness.evidence.run import Move
from harness.judge.case import Case
from harness.judge.comparison import compare
from harness.judge.contradictions import contradictions
from harness.judge.next_step import Wanted, next_step
from harness.judge.rules.significance import answer_of
from harness.judge.verdict import Verdict
from harness.models import Finding
from tests.factories.plans import looking_track, plan, planned_test, strict_track
from tests.factories.results import failure, sealed, weights
from tests.factories.runs import looked, seed_run, verdict_of

MADE = plan(looking_track())
LOOKS, FRESH = MADE.draws_for("look"), MADE.draws_for("confirmation")
THRESHOLD = 3.4 - 0.005 * 199_999 / 480_000 / math.log(2)
GOOD = (2.6100, 2.6105, 2.6098)
FIELD = 0.0007
NOT_RUN = math.nan


def at(*fields: float) -> tuple[float, ...]:
    """Scores so many of the field's deviations above the threshold."""
    return tuple(THRESHOLD + field * FIELD for field in fields)


def judged(
    looks: Sequence[float], fresh: Sequence[float] = (), track: Track | None = None
) -> Verdict:
    verdict = verdict_of(MADE, looked(MADE, looks, fresh), track=track)
    assert contradictions(verdict) == []
    return verdict


def wanted(
    looks: Sequence[float], fresh: Sequence[float] = (), *, confirming: bool = False
) -> Wanted:
    return next_step(Case.of(MADE, looked(MADE, looks, fresh)), confirming=confirming)


def check(verdict: Verdict, rule: str) -> Finding:
    return next(each for each in verdict.checks if each.id == rule)


def test_all_runs_are_drawn_before_the_first_of_them() -> None:
    assert (len(LOOKS), len(FRESH), len(MADE.draws)) == (8, 3, 11)
    assert len({draw.seed for draw in MADE.draws}) == 11


def test_the_official_test_is_data_of_its_track() -> None:
    test = planned_test(load_track("10min_16mb"))
    assert test is not None
    assert (test.kind, test.field_sd_bpb, test.field_degrees) == ("moderated", 0.0007, 4)
    assert test.looks == (
        Look(runs=1, hopeless_above_sd=3),
        Look(runs=2, hopeless_above_sd=1.5),
        Look(runs=3, accept_below=0.005, hopeless_above_sd=0.5),
        Look(runs=5, hopeless_above_sd=0),
        Look(runs=8, accept_below=0.005),
    )


class TestWhatIsWanted:
    @pytest.mark.parametrize(
        ("looks", "numbers"),
        [
            ((), [0]),
            (at(2.9), [1]),
            (at(2.9, 0), [2]),
            (at(0.4, 0.5, 0.4), [3, 4]),
            (at(0.4, 0.5, 0.4, -0.2), [4]),
            (at(0.4, -0.5, -0.4, -0.2, 0), [5, 6, 7]),
            ((NOT_RUN, *at(-1)), [0]),
            ((*at(-1), NOT_RUN, *at(-1, -1)), [1]),
        ],
    )
    def test_seeds_are_run_up_to_the_next_look_and_no_further(
        self, looks: tuple[float, ...], numbers: list[int]
    ) -> None:
        found = wanted(looks)
        assert [draw.number for draw in found.draws] == numbers and not found.over

    @pytest.mark.parametrize(
        ("looks", "why"),
        [
            (at(3.1), "stopped after 1 of 8"),
            (at(2, 1.1), "stopped after 2 of 8"),
            (at(0.6, 0.5, 0.6), "stopped after 3 of 8"),
            (at(0.4, 0, 0.1, 0, 0), "stopped after 5 of 8"),
            (GOOD, "after 3 of 8 seeds: the mean lies below"),
            (at(0, -1, 1, 0, -1, 0, 1, -1), ""),
        ],
    )
    def test_what_decides_ends_it_and_says_why(self, looks: tuple[float, ...], why: str) -> None:
        found = wanted(looks)
        assert found.over and not found.draws
        assert found.why.startswith(f"significance: {why}" if why else "")
        assert bool(why) == bool(found.why)

    def test_only_what_was_accepted_is_confirmed_and_only_when_asked_to_be(self) -> None:
        assert wanted(GOOD).over
        assert wanted(GOOD, confirming=True).draws == FRESH
        assert wanted(GOOD, (2.61,), confirming=True).draws == FRESH[1:]
        assert wanted(GOOD, GOOD, confirming=True).over
        for hopeless in (at(3.1), at(0, -1, 1, 0, -1, 0, 1, -1)):
            assert wanted(hopeless, confirming=True).over
        assert wanted(at(0), confirming=True).draws == LOOKS[1:2]

    def test_a_seed_that_our_side_lost_is_wanted_again_and_holds_the_look_up(self) -> None:
        lost = seed_run(LOOKS[1], failure=failure("infrastructure", "scoring"))
        first, _, third = looked(MADE, GOOD)
        case = Case.of(MADE, [first, lost, third])
        assert not case.statistics.decided and case.statistics.n == 2
        assert next_step(case).draws == (LOOKS[1],)
        assert next_step(case, given_up={1}).over

    @pytest.mark.parametrize("lost", [0, 1, 2])
    @pytest.mark.parametrize("score", [2.6105, THRESHOLD + 3.1 * FIELD])
    def test_no_look_goes_by_the_score_of_a_try_that_was_lost_after_it(
        self, lost: int, score: float
    ) -> None:
        """It is made again and both count; what was decided before would never be made again."""
        runs = looked(MADE, GOOD)
        runs[lost] = seed_run(LOOKS[lost], score, failure=failure("infrastructure", "causality"))
        case, verdict = Case.of(MADE, runs), verdict_of(MADE, runs)
        assert not case.statistics.decided and verdict.verdict == "INCONCLUSIVE"
        assert next_step(case).draws == (LOOKS[lost],)
        assert contradictions(verdict) == []
        assert [row.lost for row in verdict.seeds] == [n == lost or None for n in range(3)]

    def test_no_confirmation_goes_by_the_score_of_a_try_that_was_lost_after_it(self) -> None:
        runs = looked(MADE, GOOD, GOOD)
        runs[5] = seed_run(FRESH[2], 3.9, failure=failure("infrastructure", "causality"))
        case, verdict = Case.of(MADE, runs), verdict_of(MADE, runs)
        assert verdict.verdict == "INCONCLUSIVE" and contradictions(verdict) == []
        assert "2 of 3 fresh seeds have a score" in check(verdict, "confirmation").detail
        assert next_step(case, confirming=True).draws == (FRESH[2],)

    def test_seeds_by_hand_are_run_as_they_are_and_are_never_a_record(self) -> None:
        hand = plan(looking_track(), seeds=(1, 2, 3), chosen_by_hand=True)
        assert not hand.draws_for("confirmation")
        assert [draw.seed for draw in next_step(Case.of(hand, [])).draws] == [1]
        verdict = verdict_of(hand, looked(hand, GOOD))
        assert verdict.statistics.accepted and verdict.verdict == "INCONCLUSIVE"
        assert check(verdict, "seeds").status == "unknown"
        assert check(verdict, "confirmation").status == "unknown"
        silent = plan(looking_track(), seeds=(1, 2, 3))
        assert check(verdict_of(silent, looked(silent, GOOD)), "seeds").status == "unknown"


class TestWhatALookSees:
    def test_hopeless_is_rejected_after_one_run_and_nothing_else_fails(self) -> None:
        verdict = judged(at(3.1))
        assert verdict.verdict == "REJECTED"
        assert verdict.reason.startswith("significance: stopped after 1 of 8: not shown to beat")
        assert [c.id for c in verdict.checks if c.status == "fail"] == ["significance"]
        seeds = check(verdict, "seeds")
        assert (seeds.status, seeds.measured, seeds.limit) == ("pass", 1, 1)

    def test_every_look_is_in_the_verdict(self) -> None:
        verdict = judged(at(0.4, -0.5, -0.4, -0.2, 0))
        looks = verdict.statistics.looks or ()
        assert [look.outcome for look in looks] == ["went on"] * 4 + [None]
        assert [look.runs for look in looks] == [1, 2, 3, 5, 8]
        assert [look.p is not None for look in looks] == [False, False, True, False, False]
        assert looks[0].hopeless_above_bpb == pytest.approx(THRESHOLD + 0.0021)
        assert looks[1].mean_bpb == pytest.approx(sum(at(0.4, -0.5)) / 2)
        assert (verdict.verdict, check(verdict, "significance").status) == (
            "INCONCLUSIVE",
            "unknown",
        )
        assert (
            check(verdict, "significance").detail
            == "5 of 8 seeds before the next look have a score"
        )

    def test_what_is_run_beyond_the_look_that_decides_is_shown_and_counts_for_nothing(self) -> None:
        three, more = judged(GOOD), judged((*GOOD, 9.9, 9.9))
        assert len(more.seeds) == 5
        assert more.statistics == three.statistics
        assert "2 more were run and count for nothing" in check(more, "seeds").detail
        stopped = judged((*at(3.1), *GOOD))
        assert stopped.verdict == "REJECTED" and stopped.statistics.n == 1

    def test_the_plain_test_is_told_beside_the_track_s_own(self) -> None:
        found = judged(at(-2.0, -3.2, -2.2)).statistics
        plain = judged(at(-2.0, -3.2, -2.2), track=strict_track()).statistics
        assert found.plain_p == plain.p and plain.plain_p is None
        assert found.p is not None and found.p < 0.01 < (plain.p or 0)
        assert found.accepted and not plain.accepted
        assert found.tested_sd_bpb == pytest.approx(FIELD)
        assert found.degrees == 6
        assert found.guarded is False and found.level == 0.005

    def test_seeds_that_scatter_far_more_than_the_field_are_tested_plainly_too(self) -> None:
        wide = [THRESHOLD - 0.0040, THRESHOLD - 0.0060, THRESHOLD - 0.0075]
        found = judged(wide).statistics
        assert found.guarded and found.p == found.plain_p
        assert not found.accepted and found.seen is not None and found.seen.outcome == "went on"

    def test_a_last_look_that_does_not_accept_rejects(self) -> None:
        verdict = judged(at(-0.1, -0.5, -0.4, -0.2, 0, 0, -0.3, -0.1))
        assert verdict.verdict == "REJECTED"
        assert "after 8 of 8 seeds: below the threshold, but" in verdict.reason

    @given(st.lists(st.floats(-6, 6), min_size=1, max_size=11))
    def test_a_verdict_holds_together_and_what_is_wanted_follows_from_it(
        self, fields: list[float]
    ) -> None:
        runs = looked(MADE, at(*fields[:8]), at(*fields[8:]))
        case = Case.of(MADE, runs)
        verdict = verdict_of(MADE, runs)
        assert contradictions(verdict) == []
        assert verdict.verdict != "VERIFIED" or len(fields) == 11
        found = next_step(case)
        ran = {run.draw for run in runs}
        assert found.over == case.statistics.decided
        assert not {draw.number for draw in found.draws} & ran


class TestBadInput:
    def test_equal_scores_have_a_p_and_go_to_a_human(self) -> None:
        verdict = judged((2.61, 2.61, 2.61))
        assert verdict.statistics.case == "tested" and verdict.statistics.accepted
        assert check(verdict, "significance").status == "pass"
        assert check(verdict, "seed_spread").status == "unknown"
        assert verdict.verdict == "INCONCLUSIVE"

    def test_a_tenth_of_the_fields_deviation_is_the_least_that_no_human_looks_at(self) -> None:
        for share, status in ((0.099, "unknown"), (0.101, "pass")):
            step = share * FIELD
            found = check(judged((2.61 - step, 2.61, 2.61 + step)), "seed_spread")
            assert found.status == status
            assert found.limit == pytest.approx(0.00007)
            assert found.measured == pytest.approx(step)

    def test_equal_artifacts_go_to_a_human_even_if_one_of_them_confirms(self) -> None:
        runs = looked(MADE, GOOD, GOOD)
        runs[4] = seed_run(FRESH[1], 2.6105, artifact=sealed(weights(LOOKS[0].seed)))
        verdict = verdict_of(MADE, runs)
        assert [c.id for c in verdict.checks if c.status != "pass"] == ["seed_spread"]

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("kind", ["plain", "moderated", "welch"])
    def test_no_look_goes_past_a_score_that_is_not_finite(
        self, bad: float, kind: Literal["plain", "moderated", "welch"]
    ) -> None:
        test = planned_test(looking_track(), kind=kind)
        found = compare(
            [2.61, bad, 2.60],
            bar_bpb=3.4,
            bar_source="test",
            margin_nats_per_token=0.005,
            p_below=0.01,
            targets=199_999,
            text_bytes=480_000,
            test=test,
            record=(3.4, 3.41),
        )
        assert found.case == "not finite" and not found.significant and found.p is None
        assert [look.outcome for look in found.looks or ()] == ["went on"] + [None] * 4
        assert answer_of(found).status == "unknown"

    def test_a_score_that_is_missing_is_no_score(self) -> None:
        runs = looked(MADE, GOOD)
        runs[2] = seed_run(LOOKS[2], failure=failure("submission", "scoring"))
        verdict = verdict_of(MADE, runs)
        assert contradictions(verdict) == []
        assert [c.id for c in verdict.checks if c.status == "fail"] == ["scoring"]
        assert check(verdict, "significance").status == "unknown"


WELCH = Significance(seeds=3, margin_nats_per_token=0.005, p_below=0.01, test="welch")
CLUB = strict_track(
    name="club", significance=WELCH, bar=TrackBar(bpb=3.4, source="own", leaderboard=True)
)
RECORD = Bar(bpb=2.70, source="record", verdict_sha256="c" * 64, seeds=(2.699, 2.701, 2.700))


class TestWelch:
    def of(self, bar: Bar | None, values: Sequence[float]) -> Verdict:
        made = plan(CLUB, **({"bar": bar} if bar else {}))
        verdict = verdict_of(made, looked(made, values))
        assert contradictions(verdict) == []
        return verdict

    def test_the_record_s_own_scatter_counts(self) -> None:
        found = self.of(RECORD, (2.60, 2.601, 2.602)).statistics
        assert found.accepted and found.record_bpb == RECORD.seeds
        assert found.degrees == pytest.approx(4.0)
        assert found.plain_p is not None and found.p is not None
        # mean 2.601 against 2.7 less the margin; the error is of both.
        margin = 0.005 * 199_999 / 480_000 / math.log(2)
        assert found.t == pytest.approx((2.601 - (2.7 - margin)) / math.sqrt(2e-6 / 3))

    def test_a_record_that_scatters_is_harder_to_be_sure_of(self) -> None:
        wild = RECORD.model_copy(update={"seeds": (2.60, 2.80, 2.70)})
        found = self.of(wild, (2.60, 2.601, 2.602))
        assert found.verdict == "REJECTED" and (found.statistics.plain_p or 1) < 0.01

    @pytest.mark.parametrize("seeds", [(), (2.7,)])
    def test_without_its_seeds_no_test_is_possible(self, seeds: tuple[float, ...]) -> None:
        verdict = self.of(RECORD.model_copy(update={"seeds": seeds}), (2.60, 2.601, 2.602))
        assert verdict.verdict == "INCONCLUSIVE"
        assert verdict.statistics.case == "no record seeds" and verdict.statistics.p is None
        assert "record's seeds are unknown" in check(verdict, "significance").detail

    def test_nothing_scatters_at_all(self) -> None:
        flat = RECORD.model_copy(update={"seeds": (2.7, 2.7)})
        verdict = self.of(flat, (2.6, 2.6, 2.6))
        assert verdict.statistics.case == "zero variance"
        assert check(verdict, "significance").status == "unknown"
        assert self.of(RECORD, (2.6, 2.6, 2.6)).statistics.accepted


class TestWhoseTestIsAsked:
    def test_what_somebody_wrote_into_a_plan_makes_no_test_easier(self) -> None:
        easy = {"kind": "moderated", "field_sd_bpb": 1e-6, "field_degrees": 1000.0, "source": "me"}
        test = planned_test(
            looking_track(), **{**easy, "looks": (Look(runs=2, accept_below=0.4),), "p_below": 0.4}
        )
        made = plan(looking_track(), test=test)
        verdict = verdict_of(made, looked(made, at(-1, -1.01, -1)))
        assert verdict.statistics.looks == judged(at(-1, -1.01, -1)).statistics.looks
        fewer = planned_test(strict_track(), looks=(Look(runs=2, accept_below=0.4),))
        plain = plan(test=fewer)
        looks = verdict_of(plain, looked(plain, GOOD)).statistics.looks or ()
        assert [(look.runs, look.accept_below) for look in looks] == [(3, 0.01)]
        both = tuple(Look(runs=runs, accept_below=0.01) for runs in (2, 3))
        early = plan(test=planned_test(strict_track(), looks=both))
        verdict = verdict_of(early, looked(early, GOOD[:2]))
        assert verdict.verdict == "INCONCLUSIVE"  # two seeds of three, at a level for each look
        assert [look.runs for look in verdict.statistics.looks or ()] == [3]

    def test_what_earlier_tries_have_left_lowers_every_look(self) -> None:
        made = plan(looking_track(), test=planned_test(looking_track(), p_below=0.001))
        found = verdict_of(made, looked(made, GOOD)).statistics
        assert found.p_below == 0.001
        assert found.level == pytest.approx(0.0005)

    def test_another_track_asks_its_own_looks_of_the_same_seeds(self) -> None:
        verdict = judged(GOOD, GOOD, track=strict_track())
        assert verdict.verdict == "VERIFIED" and verdict.confirmation is None
        three = plan(strict_track())
        other = verdict_of(three, looked(three, GOOD), track=looking_track())
        assert other.statistics.accepted
        assert check(other, "confirmation").status == "unknown"


class TestConfirmation:
    def test_a_record_is_confirmed_by_seeds_that_nobody_selected(self) -> None:
        waiting = judged(GOOD)
        assert waiting.verdict == "INCONCLUSIVE"
        assert "0 of 3 fresh seeds have a score: run `harness confirm`" in waiting.reason
        assert judged(GOOD, GOOD[:2]).verdict == "INCONCLUSIVE"
        fresh = (2.6130, 2.6125, 2.6127)
        found = judged(GOOD, fresh)
        assert found.verdict == "VERIFIED"
        assert found.score_bpb == pytest.approx(sum(fresh) / 3)
        assert [row.val_bpb for row in found.scored_seeds] == list(fresh)
        assert waiting.score_bpb == pytest.approx(sum(GOOD) / 3)

    @pytest.mark.parametrize(
        ("fresh", "said"),
        [
            (at(0.1, -0.2, 0.2), "above the threshold: what was accepted was luck"),
            (at(-20, 5, -10), "do not show that the bar fell"),
        ],
    )
    def test_luck_is_not_confirmed(self, fresh: tuple[float, ...], said: str) -> None:
        verdict = judged(at(-3, -3.5, -4), fresh)
        assert verdict.statistics.accepted and verdict.verdict == "REJECTED"
        assert [c.id for c in verdict.checks if c.status == "fail"] == ["confirmation"]
        assert said in verdict.reason

    def test_the_question_arises_only_where_a_look_has_accepted(self) -> None:
        assert judged(at(3.1)).confirmation is None
        assert not [c for c in judged(at(3.1)).checks if c.id == "confirmation"]

    @pytest.mark.parametrize(
        ("looks", "fresh", "said"),
        [
            ("a", "b", "on another host (b)"),
            ("a", "a", "on the same host (a)"),
            ("", "b", "is not known"),
        ],
    )
    def test_it_says_whether_it_was_made_on_another_host(
        self, looks: str, fresh: str, said: str
    ) -> None:
        runs = looked(MADE, GOOD, GOOD)
        named = [
            run.model_copy(update={"host": run.host.model_copy(update={"node": node})})
            for run, node in zip(runs, [looks] * 3 + [fresh] * 3, strict=True)
        ]
        assert said in check(verdict_of(MADE, named), "confirmation").detail

    def test_who_asked_again_for_the_looks_is_no_other_host(self) -> None:
        runs = looked(MADE, GOOD, GOOD)
        a, b = (runs[0].host.model_copy(update={"node": node}) for node in "ab")
        asked_there = Move(step="probe", answers_sha256="a" * 64, host=b)
        named = [
            run.model_copy(update={"host": host, "moves": (asked_there,) if host is a else None})
            for run, host in zip(runs, [a] * 3 + [b] * 3, strict=True)
        ]
        detail = check(verdict_of(MADE, named), "confirmation").detail
        assert "on the same host (b)" in detail

    def test_a_rehearsal_needs_none(self) -> None:
        rehearsal = plan(looking_track(rehearsal=True))
        verdict = verdict_of(rehearsal, looked(rehearsal, GOOD))
        assert verdict.verdict == "REHEARSED"
        assert check(verdict, "confirmation").status == "unknown"

    def test_doubts_are_charged_to_it_too(self) -> None:
        """With some 0.06 BPB of doubts the looks stand, and the fresh seeds do not."""
        verdict = judged(at(-100, -101, -100.5), at(-60, -61, -60.5))
        assert check(verdict, "confirmation").status == "pass"
        assert check(verdict, "doubts").status == "unknown"
        assert verdict.reason.startswith("doubts: ")
        assert judged(at(-400, -401, -400.5), at(-400, -401, -400)).verdict == "VERIFIED"
