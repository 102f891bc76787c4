"""The simulation of busy devices, at a reduced size: its lengths, its counts, its tables."""

import itertools

import numpy as np
import pytest

from harness.report.reference import between
from harness.scoring.schedules.dealing import Moves
from harness.scoring.schedules.documents import DocumentPlan
from tests.bench.asked_again import Again, again, causality, recall
from tests.bench.lengths import DOCUMENTS, TOKENS, fineweb, log_normal
from tests.bench.occupancy import EMPTY, LENGTHS, PAGE, busy, in_batches, page
from tests.bench.unanswered import Asked, any_order, plan_of, played, room

SMALL = 400
LANES, ROWS = 2, 4


def small(kind: str = "doubled") -> DocumentPlan:
    """A plan for few documents."""
    lengths, order = fineweb(documents=SMALL), any_order(SMALL, 0)
    return plan_of(lengths, rows=ROWS, order=order, context=256, windows=LENGTHS[kind])


@pytest.mark.parametrize("tokens", TOKENS.values())
def test_lengths_come_to_the_split_and_keep_their_shape(tokens: int) -> None:
    lengths = fineweb(tokens=tokens)
    assert len(lengths) == DOCUMENTS and int(lengths.sum()) == tokens
    assert (np.diff(lengths) >= 0).sum() >= DOCUMENTS - 2  # but for what rounding left
    scale = tokens / TOKENS[8_192]
    for place, printed in ((5_440, 154), (30_208, 618), (49_344, 4_937), (50_000, 82_276)):
        assert lengths[place - 1] == pytest.approx(printed * scale, rel=0.02)


def test_drawn_lengths_come_to_the_split() -> None:
    lengths = log_normal(np.random.default_rng(0), deviation=1.0, documents=SMALL, tokens=400_000)
    assert int(lengths.sum()) == 400_000
    assert np.log(lengths).std() == pytest.approx(1.0, abs=0.1)


def test_busy_counts_row_steps_until_the_last_piece() -> None:
    # Two lanes of two rows: places 0 and 2 are lane 0's. One document of 4 pieces, two of 1, one 2.
    places, steps = np.array([0, 0, 0, 0, 1, 2, 3, 3]), np.array([0, 1, 2, 3, 0, 0, 0, 1])
    found = busy(Moves(2, places, steps, np.arange(8)), rows=2)
    assert found.share == 8 / 16 and found.steps == 4
    assert found.tail == 3 / 4  # rows 1 and 2 have ended after one step
    assert found.device == 2 / 4


@pytest.mark.parametrize("order", ["drawn", "sorted"])
def test_batches_play_every_piece_once_and_begin_together(order: str) -> None:
    plan = small()
    by_length = np.argsort(-plan.pieces)
    moves = in_batches(plan, plan.order if order == "drawn" else by_length, lanes=LANES)
    assert sorted(moves.pieces.tolist()) == list(range(len(plan)))
    assert len(set(zip(moves.places.tolist(), moves.steps.tolist(), strict=True))) == len(plan)
    firsts = plan.ages[moves.pieces] == 0
    lanes, steps = moves.places[firsts] % LANES, moves.steps[firsts]
    _, together = np.unique(lanes * 100_000 + steps, return_counts=True)
    assert (together == ROWS).sum() >= len(together) - 1


def test_rows_that_are_refilled_are_busier_than_those_that_wait() -> None:
    plan = small()
    refilled = busy(plan.moves(lanes=LANES), rows=ROWS)
    waiting = busy(in_batches(plan, plan.order, lanes=LANES), rows=ROWS)
    assert waiting.share < refilled.share <= 1
    assert 0 <= refilled.device <= refilled.tail < 1


def test_few_lengths_save_requests_and_cost_tokens() -> None:
    found: dict[str, Asked] = {
        kind: played(small(kind).schedule(room=room(), lanes=LANES), lanes=LANES)
        for kind in LENGTHS
    }
    assert found["exact"].requests > found["doubled"].requests > found["full"].requests
    assert found["full"].requests == found["full"].lane_steps
    assert 1 <= found["exact"].padding < found["doubled"].padding < found["full"].padding
    assert len({each.needed for each in found.values()}) == 1


def test_asking_again_counts_the_questions_of_the_schedule() -> None:
    plan = small()
    scored = played(plan.schedule(room=room(), lanes=LANES), lanes=LANES)
    asked: dict[str, Again] = {
        "causality": again(causality(plan, count=100), lanes=LANES),
        "memory": again(recall(plan, count=90), lanes=LANES),
    }
    for each in asked.values():
        assert each.asked.windows == each.questions
        assert 0 < each.touched < 1 and 0 < each.pieces < 1
        assert each.asked.observed < scored.observed
    assert scored.windows >= len(plan)


@pytest.mark.long
def test_the_page_has_all_tables_and_any_size_makes_them() -> None:
    made = page(EMPTY, documents=SMALL, orders=2)
    kept = PAGE.read_text()
    for name in ("busy", "again"):
        assert between(kept, name, "", path=PAGE) != kept  # it has the markers, and text between
    lines = made.splitlines()
    heads = [head for head, line in itertools.pairwise(lines) if line.startswith("|---")]
    assert len(heads) == 4 and set(heads) <= set(kept.splitlines())
