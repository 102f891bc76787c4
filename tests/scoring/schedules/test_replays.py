"""What a sandbox is shown that is asked again, document by document: the past, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scoring.probes.causality import ProbeSet
from harness.scoring.probes.walks.documents import DocumentWalk
from harness.scoring.schedules.asking import Indices, Observe, ObserveRows, Study
from harness.scoring.schedules.dealing import Moves
from harness.scoring.schedules.documents import DocumentPlan
from tests.scoring.schedules.test_documents import plan_of, plans, room_for

TEXT = np.full(50, 60_000, np.uint16)


@given(plans(), st.integers(1, 3), st.integers(1, 60), st.binary(max_size=4))
def test_nothing_that_was_shown_holds_a_target_that_is_asked(
    plan: DocumentPlan, lanes: int, count: int, secret: bytes
) -> None:
    """Each stream index, once it was shown or told in any row of a lane, is asked no more there.

    A document is in one lane alone, and all lanes meet before a study shows it to the others.
    """
    probes = ProbeSet.draw(plan, text=TEXT, secret=secret, count=count)
    schedule = probes.schedule(room=room_for(), lanes=lanes)
    stream, asked = np.arange(plan.tokens).astype(np.uint16), 0
    homes: dict[int, int] = {}
    opened = set(plan.opened.tolist())
    for lane in range(lanes):
        seen: set[int] = set()
        for turn in schedule.turns(lane):
            now: set[int] = set()
            for ask in turn.asks:
                assert ask.questions is not None
                altered = ask.questions < probes.planned
                targets = ask.starts + probes.cuts(ask) + 1
                assert not set(targets[altered].tolist()) & seen
                asked += int(altered.sum())
                for row, window in enumerate(ask.tokens(stream)):
                    own = window[: ask.shown[row]].tolist()
                    # Even of what is asked at the same time.
                    assert altered[row] <= (own[-1] + 1 == targets[row])
                    # A document's BOS is also the last target of the one before it in the split.
                    now |= set(own) - opened
                for document in plan.documents[ask.windows].tolist():
                    assert homes.setdefault(document, lane) == lane
                assert not set(targets[altered].tolist()) & now
            seen |= now
            for told in turn.tells:
                if isinstance(told, ObserveRows):
                    for begin, size in zip(told.begins.tolist(), told.counts.tolist(), strict=True):
                        seen |= set(range(begin, begin + size))
                elif isinstance(told, Study):
                    for begin, end in zip(told.begins.tolist(), told.ends.tolist(), strict=True):
                        seen |= set(range(begin + 1, end + 1))
                assert not isinstance(told, Observe)
    assert asked == probes.planned


def until_of(plan: DocumentPlan, targets: Indices) -> Indices:
    """int64[D]: how many pieces are played, where so many targets are asked."""
    windows = np.searchsorted(plan.windows.lasts, targets)
    until = np.zeros(len(plan.opened), np.int64)
    np.maximum.at(until, plan.documents[windows], plan.ages[windows] + 1)
    return until


def replay_of(plan: DocumentPlan, until: Indices, *, lanes: int) -> tuple[Moves, Indices]:
    """The moves of a replay, and the documents that take part."""
    from harness.scoring.schedules.dealing import replayed

    order = DocumentWalk(plan, plan.order[::-1]).order
    order = order[until[order] > 0]
    return replayed(
        plan.moves(lanes=lanes),
        order,
        first_pieces=plan.first_pieces,
        lengths=plan.pieces,
        until=until[order],
    ), order


@given(plans(), st.integers(1, 3), st.data())
@settings(max_examples=50)
def test_without_studies_a_replay_does_not_depend_on_what_lies_behind_the_last_questions(
    plan: DocumentPlan, lanes: int, data: st.DataObject
) -> None:
    lengths = np.diff(np.append(plan.opened, plan.tokens))
    more = data.draw(st.lists(st.integers(0, 30), min_size=len(lengths), max_size=len(lengths)))
    both = [
        plan_of(
            one.tolist(),
            segment=plan.segment,
            sequence_length=plan.sequence_length,
            rows=plan.rows,
            order=plan.order.tolist(),
        )
        for one in (lengths, lengths + np.array(more))
    ]
    until = np.minimum(both[0].pieces, data.draw(st.integers(0, 3)))
    found = []
    for each in both:
        moves, _ = replay_of(each, until, lanes=lanes)
        documents, ages = each.documents[moves.pieces], each.ages[moves.pieces]
        by_place = np.lexsort((moves.steps, moves.places))
        parts = (moves.places, moves.steps, documents, ages)
        found.append([part[by_place].tolist() for part in parts])
    assert found[0] == found[1]


@pytest.mark.parametrize("studies", [(1500,), (3000,), tuple(range(300, 4000, 300))])
def test_when_a_document_begins_between_two_studies_does_not_tell_how_long_it_is(
    studies: tuple[int, ...],
) -> None:
    """One that stays open when a study begins must go on: it may not be known before.

    Dealt anew, with those that stay open as the last ones, this correlation was 0.2 to 0.5.
    """
    rng = np.random.default_rng(0)
    lengths = np.maximum(2, np.exp(rng.normal(5.2, 1.0, 4000))).astype(int)
    order = rng.permutation(4000).tolist()
    shape = {"segment": 16, "sequence_length": 64, "rows": 64}
    plan = plan_of(lengths.tolist(), **shape, order=order, study_after=studies)
    for count in (2000, 40_000):
        until = until_of(plan, 1 + np.sort(rng.choice(plan.targets, count, replace=False)))
        moves, documents = replay_of(plan, until, lanes=4)
        steps = np.full(len(plan), -1)
        steps[moves.pieces] = moves.steps
        begun = steps[plan.first_pieces[documents]]
        studied = np.array([step for step, _ in moves.studies])
        epochs = np.searchsorted(studied, begun, side="right")
        inner = epochs < len(studied)
        late = (begun - np.append(0, studied)[epochs])[inner]
        long = np.log(plan.pieces[documents])[inner]
        assert abs(np.corrcoef(late, long)[0, 1]) < 0.12


@given(plans(), st.integers(1, 3), st.integers(1, 60), st.integers(0, 9))
def test_what_is_open_when_a_study_begins_is_as_far_as_it_was(
    plan: DocumentPlan, lanes: int, count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    targets = np.sort(1 + rng.choice(plan.targets, min(count, plan.targets), replace=False))
    until = until_of(plan, targets)
    was = plan.moves(lanes=lanes)
    now, documents = replay_of(plan, until, lanes=lanes)
    assert sorted(now.pieces.tolist()) == sorted(
        piece
        for document in documents.tolist()
        for piece in range(
            plan.first_pieces[document], plan.first_pieces[document] + until[document]
        )
    )
    # One piece in a place at a time, those of a document in order.
    assert len({*zip(now.places.tolist(), now.steps.tolist(), strict=True)}) == len(now.pieces)
    order = np.argsort(now.pieces)
    same = np.diff(plan.documents[now.pieces[order]]) == 0
    assert (np.diff(now.steps[order])[same] > 0).all()
    assert (np.diff(now.places[order])[same] == 0).all()
    before = [dict(zip(m.pieces.tolist(), m.steps.tolist(), strict=True)) for m in (was, now)]
    for (then, what), (again, too) in zip(was.studies, now.studies, strict=True):
        assert what.tolist() == too.tolist()
        for piece, step in before[1].items():
            assert (step < again) == (before[0][piece] < then)
        # Between the pieces before a study and those behind it no other document is in their row.
        for document in documents.tolist():
            mine = [p for p in before[1] if plan.documents[p] == document]
            early = [before[1][p] for p in mine if before[1][p] < again]
            late = [before[1][p] for p in mine if before[1][p] >= again]
            if early and late:
                place = now.places[now.pieces == mine[0]][0]
                there = now.steps[now.places == place]
                assert not ((there > max(early)) & (there < min(late))).any()
