"""Documents as streams: every target once, no end is told, and probes show only a past."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.schedules.asking import Ask, ObserveRows, Reset, Study, Turn
from harness.scoring.schedules.dealing import drawn_order
from harness.scoring.schedules.documents import DocumentPlan, Elsewhere
from harness.scoring.schedules.plan import Room

VOCABULARY = 7


def plan_of(
    lengths: list[int],
    *,
    segment: int,
    sequence_length: int,
    rows: int,
    order: list[int] | None = None,
    study_after: tuple[int, ...] = (),
) -> DocumentPlan:
    """A plan for documents of so many tokens each, BOS included."""
    ends = np.cumsum(lengths)
    return DocumentPlan(
        tokens=int(ends[-1]),
        opened=(ends - lengths).astype(np.int64),
        sequence_length=sequence_length,
        segment=segment,
        rows=rows,
        order=np.array(range(len(lengths)) if order is None else order, np.int64),
        elsewhere=Elsewhere(np.full(50, 60_000, np.uint16), 5),
        study_after=study_after,
    )


@st.composite
def plans(draw: st.DrawFn) -> DocumentPlan:
    segment = draw(st.integers(1, 9))
    lengths = draw(st.lists(st.integers(1, 60), min_size=1, max_size=25))
    if sum(lengths) < 2:
        lengths.append(2)
    studies = draw(st.sets(st.integers(1, 30), max_size=3))
    return plan_of(
        lengths,
        segment=segment,
        sequence_length=segment + draw(st.integers(0, 40)),
        rows=draw(st.integers(1, 5)),
        order=draw(st.permutations(range(len(lengths)))),
        study_after=tuple(sorted(studies)),
    )


def room_for(at_once: int = 4) -> Room:
    return Room(tokens=at_once * 64, vocabulary_size=VOCABULARY)


def played(plan: DocumentPlan, lanes: int) -> list[list[tuple[list[Ask], Turn]]]:
    """The asks and tells of every lane."""
    schedule = plan.schedule(room=room_for(), lanes=lanes)
    return [[(list(turn.asks), turn) for turn in schedule.turns(lane)] for lane in range(lanes)]


def rows_of(ask: Ask) -> list[int]:
    assert ask.rows is not None
    rows: list[int] = ask.rows.tolist()
    return rows


@given(plans(), st.integers(1, 3))
def test_every_target_exactly_once_and_each_in_a_window_of_its_own_document(
    plan: DocumentPlan, lanes: int
) -> None:
    stream = np.arange(plan.tokens).astype(np.uint16)
    scored: list[int] = []
    for ask in (ask for lane in played(plan, lanes) for asks, _ in lane for ask in asks):
        scored += ask.targets[ask.wanted].tolist()
        shown = ask.tokens(stream)
        for row in range(len(ask.windows)):
            own = shown[row, : ask.shown[row]]
            assert (shown[row, ask.shown[row] :] == 60_000).all()
            if not len(own):
                assert ask.windows[row] == -1 and not ask.wanted[row].any()
                continue
            document = plan.documents[ask.windows[row]]
            assert plan.opened[document] <= own[0]
            # What is shown ends one token before the last target: the next BOS never is.
            assert own[-1] + 1 == ask.targets[row][ask.wanted[row]][-1] <= plan.closed[document]
            # All context there is, or as much as fits.
            fits = min(ask.targets[row, 0] - plan.opened[document], plan.sequence_length)
            assert ask.firsts[row] + 1 >= min(fits, plan.sequence_length - plan.segment + 1)
    assert sorted(scored) == list(range(1, plan.tokens))


@given(plans(), st.integers(1, 3))
def test_what_is_told_was_scored_and_rows_are_reset_where_documents_begin(
    plan: DocumentPlan, lanes: int
) -> None:
    studied: list[list[int]] = []
    for lane in played(plan, lanes):
        at: dict[int, int] = {}  # how far each row is
        scored: set[int] = set()
        mine: list[int] = []
        for asks, turn in lane:
            for ask in asks:
                scored |= set(ask.targets[ask.wanted].tolist())
            for told in turn.tells:
                if isinstance(told, Reset):
                    at.update(dict.fromkeys(told.rows.tolist(), 0))
                elif isinstance(told, ObserveRows):
                    for row, begin, count in zip(*(part.tolist() for part in told), strict=True):
                        assert set(range(begin, begin + count)) <= scored
                        document = int(np.searchsorted(plan.opened, begin - 1, side="right")) - 1
                        assert begin - 1 - plan.opened[document] == at[row]
                        at[row] += count
                elif isinstance(told, Study):
                    assert turn.meets
                    mine += told.begins.tolist()
        studied.append(mine)
    assert all(mine == studied[0] for mine in studied)
    assert len(set(studied[0])) == len(studied[0])


@given(plans(), st.integers(1, 3))
def test_a_study_shows_what_all_lanes_have_finished_and_nothing_else(
    plan: DocumentPlan, lanes: int
) -> None:
    moves = plan.moves(lanes=lanes)
    ends = {
        int(d): int(moves.steps[plan.documents[moves.pieces] == d].max())
        for d in np.unique(plan.documents)
    }
    shown: set[int] = set()
    for (step, documents), most in zip(moves.studies, plan.study_after, strict=False):
        shown |= set(documents.tolist())
        assert len(shown) >= most or step
        finished = {d for d, end in ends.items() if end < step}
        assert shown - finished <= set(np.flatnonzero(plan.pieces == 0).tolist())
        assert finished <= shown


class Known:
    """What one lane was told: what rows are at, so that all that is asked next can be said."""

    def __init__(self, plan: DocumentPlan) -> None:
        self.plan = plan
        self.ages = np.zeros(plan.rows, np.int64)

    def expects(self) -> list[tuple[int, list[int], list[int]]]:
        rows = np.arange(self.plan.rows, dtype=np.int64)
        asks = self.plan.asks(np.full_like(rows, -1), rows, self.ages, room=room_for())
        return [(ask.length, rows[where].tolist(), ask.firsts.tolist()) for ask, where in asks]


@given(plans(), st.integers(1, 3))
def test_whoever_knows_what_he_was_told_learns_nothing_from_what_he_is_asked(
    plan: DocumentPlan, lanes: int
) -> None:
    """Number, order, shapes and rows of requests follow from which documents have ended before.

    So they cannot tell whether one ends now: whatever is a function of them and of what was told
    has the same value whether the next target is a BOS or not.
    """
    for lane in played(plan, lanes):
        known = Known(plan)
        for asks, turn in lane:
            if asks:
                found = [(ask.length, rows_of(ask), ask.firsts.tolist()) for ask in asks]
                assert found == known.expects()
                assert all(ask.positions == plan.segment for ask in asks)
                known.ages += 1
            for told in turn.tells:
                if isinstance(told, Reset):
                    known.ages[told.rows] = 0


@given(plans(), st.data())
def test_a_document_that_goes_on_is_asked_like_one_that_ends(
    plan: DocumentPlan, data: st.DataObject
) -> None:
    """Two splits that differ in how long one document is: the same requests until it has ended."""
    lengths = np.diff(np.append(plan.opened, plan.tokens))
    which = data.draw(st.integers(0, len(lengths) - 1))
    longer = lengths.copy()
    longer[which] += data.draw(st.integers(1, 30))
    other = plan_of(
        longer.tolist(),
        segment=plan.segment,
        sequence_length=plan.sequence_length,
        rows=plan.rows,
        order=plan.order.tolist(),
    )
    moves = plan.moves(lanes=1)
    mine = plan.documents[moves.pieces] == which
    last = int(moves.steps[mine].max(initial=-1))

    def shapes(of: DocumentPlan) -> list[tuple[int, list[int], list[int]]]:
        found, steps = [], 0
        for asks, _ in played(of, 1)[0]:
            steps += bool(asks)
            if steps > last + 1:
                break
            found += [(a.length, a.firsts.tolist(), rows_of(a)) for a in asks]
        return found

    if last >= 0:
        assert shapes(plan) == shapes(other)


def test_lengths_are_few_and_rows_of_all_ages_share_requests() -> None:
    plan = plan_of([500] * 8, segment=16, sequence_length=250, rows=8)
    assert plan.lengths.tolist() == [16, 32, 64, 128, 250]


def test_windows_of_one_length_are_cut_into_requests_that_fit() -> None:
    plan = plan_of([500] * 40, segment=16, sequence_length=256, rows=32)
    room = Room(tokens=1024, vocabulary_size=VOCABULARY)
    slot = plan.slot(room)
    for turn in plan.schedule(room=room, lanes=1).turns(0):
        for ask in turn.asks:
            assert len(ask.windows) * ask.length <= 1024
            assert len(ask.windows) * (ask.length + 2) <= slot.tokens
            assert len(ask.windows) * ask.positions <= slot.positions


@given(plans(), st.integers(1, 3), st.integers(1, 5))
def test_of_drawn_orders_the_one_with_the_fewest_steps_is_taken(
    plan: DocumentPlan, lanes: int, orders: int
) -> None:
    def steps(order: np.ndarray) -> int:
        return int(replace(plan, order=order).moves(lanes=lanes).steps.max())

    drawn = np.random.default_rng(2)
    every = [drawn.permutation(len(plan.opened)) for _ in range(orders)]
    found = drawn_order(
        np.random.default_rng(2), plan.pieces, places=lanes * plan.rows, orders=orders
    )
    assert found.tolist() in [order.tolist() for order in every]
    assert steps(found) == min(map(steps, every))
