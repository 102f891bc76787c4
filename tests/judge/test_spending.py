"""Earlier tries of the same author lower the level of the test, and everybody is told."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.track import load_track
from harness.errors import UsageError
from harness.evidence.plan import Like, Tries
from harness.judge.contradictions import contradictions
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import read_verdict
from harness.report.markdown import render_markdown
from harness.report.terminal import render_text
from tests.factories.plans import plan, strict_track
from tests.factories.runs import good_runs, verdict_of

SPENDING = strict_track(
    significance=strict_track().significance.model_copy(update={"spending": True})
)
# p = 0.003: enough for the first try, not for the second.
NEARLY = (2.947, 3.053, 3.0)


def verdict_after(earlier: int, scores: tuple[float, ...] = (2.61, 2.62, 2.60)) -> Verdict:
    made = plan(SPENDING, tries=Tries(by_author=earlier))
    return verdict_of(made, good_runs(made, scores))


@pytest.mark.parametrize(
    ("earlier", "level"),
    [(0, 0.006079271), (1, 0.001519818), (2, 0.000675475), (3, 0.000379954), (4, 0.000243171)],
)
def test_each_further_try_is_tested_at_a_lower_level(earlier: int, level: float) -> None:
    verdict = verdict_after(earlier)
    assert verdict.statistics.p_below == pytest.approx(level, rel=1e-5)
    assert verdict.spending is not None
    assert (verdict.spending.earlier, verdict.spending.level) == (earlier, 0.01)
    assert verdict.spending.account == "@author"
    (check,) = [check for check in verdict.checks if check.id == "significance"]
    assert check.limit == verdict.statistics.p_below
    assert contradictions(verdict) == []


def test_what_is_enough_for_the_first_try_is_not_for_the_second() -> None:
    first, second = verdict_after(0, NEARLY), verdict_after(1, NEARLY)
    assert first.statistics.p == second.statistics.p
    assert (first.verdict, second.verdict) == ("VERIFIED", "REJECTED")
    assert second.reason.startswith("significance")


def test_every_scorecard_says_which_try_it_is() -> None:
    verdict = verdict_after(2)
    said = "try 3 of this author since the bar fell: tested at 0.000675"
    assert said in " ".join(render_text(verdict, width=300).split())
    assert said in " ".join(render_markdown(verdict).split())


def test_a_track_that_charges_nothing_says_nothing() -> None:
    made = plan(tries=Tries(by_author=7))
    verdict = verdict_of(made, good_runs(made))
    assert verdict.spending is None and verdict.statistics.p_below == 0.01
    assert "since the bar fell" not in render_text(verdict, width=300)
    assert "spending" not in verdict.model_dump_json()


def test_under_a_track_that_charges_tries_those_of_the_plan_count() -> None:
    made = plan(tries=Tries(by_author=1))
    under = verdict_of(made, good_runs(made, NEARLY), track=SPENDING)
    assert verdict_of(made, good_runs(made, NEARLY)).verdict == "VERIFIED"
    assert under.verdict == "REJECTED" and contradictions(under) == []


@given(st.integers(0, 40), st.integers(0, 40))
def test_who_tells_of_fewer_tries_contradicts_himself(earlier: int, told: int) -> None:
    verdict = verdict_after(earlier)
    assert verdict.spending is not None
    spending = verdict.spending.model_copy(update={"earlier": told})
    found = contradictions(verdict.model_copy(update={"spending": spending}))
    assert any(each.startswith("statistics.p_below: found") for each in found) is (told != earlier)


def test_so_does_who_is_tested_at_the_whole_level(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    document = json.loads(verdict_after(1).model_dump_json())
    document["spending"]["level"] = 0.04
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"contradicts itself: statistics\.p_below"):
        read_verdict(path)


LIKE = Like(
    submission="The \x1b[2Joriginal",
    account="@rival",
    at="2026-11-20T12:00:00+00:00",
    differs=0.031,
)


def test_a_copy_is_told_and_rejects_nothing() -> None:
    made = plan(SPENDING, tries=Tries(like=LIKE))
    verdict = verdict_of(made, good_runs(made))
    (note,) = verdict.findings
    assert (note.id, note.status, note.measured) == ("like_an_earlier_try", "unknown", 0.031)
    assert "about 3% of its lines" in note.detail and "'@rival' on 2026-11-20" in note.detail
    assert verdict.verdict == "VERIFIED" and contradictions(verdict) == []
    shown = " ".join(render_text(verdict, width=300).split())
    assert "differs in about 3% of its lines" in shown and "\x1b[2J" not in shown
    rehearsal = verdict_of(made, good_runs(made), track=load_track("smoke"))
    assert rehearsal.findings == ()
