"""Doubts are added up and charged: what stands, and what stands only without them."""

import pytest

from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.rules.causality import gain_below
from harness.judge.rules.doubts import DOUBTS, RESIDUAL_BITS, doubts_of
from harness.judge.rules.memory import change_below
from harness.judge.verdict import Verdict
from harness.models import Finding
from harness.statistics.units import nats_per_token_to_bpb
from tests.factories.broken import PLAN
from tests.factories.plans import TEXT_BYTES, TOKENS
from tests.factories.results import scores
from tests.factories.runs import good_runs, seed_run, verdict_of, with_first

BAR = 3.3969944


def runs_below(distance: float) -> list[Run]:
    return good_runs(PLAN, (BAR - distance, BAR - distance - 2e-5, BAR - distance + 2e-5))


def answer(verdict: Verdict) -> Finding | None:
    return next((check for check in verdict.checks if check.id == "doubts"), None)


def test_all_that_no_check_excludes_is_added_up() -> None:
    doubts = {doubt.check: doubt.bpb for doubt in doubts_of(Case.of(PLAN, good_runs(PLAN)))}
    assert list(doubts) == ["causality", "memory", "brought_along", "isolation"]
    assert doubts["isolation"] == RESIDUAL_BITS / TEXT_BYTES
    # Twelve thousand questions, of which none showed a gain: 8 nats at few targets.
    nats = 8 * 5.298317 / 12_000
    bpb = nats_per_token_to_bpb(nats, tokens=TOKENS - 1, text_bytes=TEXT_BYTES)
    assert doubts["causality"] == pytest.approx(bpb, rel=0.05)
    assert doubts["brought_along"] == 0


def test_memory_may_hide_more_where_windows_are_of_unequal_size() -> None:
    """Pieces of documents: the fullest has so many times the targets of a mean one."""

    def below(**shape: object) -> float:
        runs = with_first(PLAN, scores=scores(2.61, **shape))
        found = change_below(Case.of(PLAN, runs))
        assert found is not None
        return found

    windows = 2 * (TOKENS - 1) // 64
    by_document = {"streams": "documents", "rows": 2, "segment": 64, "windows": windows}
    # Of so many pieces, the mean one has half as many targets as the fullest.
    assert below(**by_document) == pytest.approx(2 * below(), rel=0.05)


@pytest.mark.parametrize(
    ("distance", "status", "verdict"),
    [(0.09, "pass", "VERIFIED"), (0.004, "unknown", "INCONCLUSIVE"), (-0.01, None, "REJECTED")],
)
def test_a_record_stands_with_all_doubts_charged_or_it_is_none(
    distance: float, status: str | None, verdict: str
) -> None:
    found = verdict_of(PLAN, runs_below(distance))
    finding = answer(found)
    assert (finding.status if finding else None) == status
    assert found.verdict == verdict


def test_where_nothing_bounds_a_gain_no_doubt_is_charged() -> None:
    runs = [seed_run(draw, 2.6, probes=None, recall=None) for draw in PLAN.draws]
    case = Case.of(PLAN, runs)
    assert [doubt.check for doubt in doubts_of(case)] == ["brought_along", "isolation"]
    assert DOUBTS.ask(Case.of(PLAN, [])) is None


def test_what_was_drawn_by_gap_counts_under_a_track_that_draws_uniformly_for_half() -> None:
    """There a target gains at most so much; by gap it is at least half as likely as uniformly."""
    bound = PLAN.track.probes.bound
    assert bound is not None and bound.by_gap
    uniform = bound.model_copy(update={"by_gap": None})
    probed = PLAN.track.probes.model_copy(update={"bound": uniform})
    other = PLAN.track.model_copy(update={"probes": probed})
    below = gain_below(Case.of(PLAN, good_runs(PLAN)))
    doubled = gain_below(Case.of(PLAN, good_runs(PLAN), track=other))
    assert below is not None and doubled == pytest.approx(2 * below, rel=0.02)
