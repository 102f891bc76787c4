"""Each document as a stream of its own, many side by side.

A document begins with its BOS, and no window reaches beyond it. Its targets are its other tokens
and, as the last one, the BOS that opens the next document: so totals are over the same N - 1
targets as those of one stream. They are cut into pieces of ``segment`` targets. ``rows`` documents
are open on each device; in one step each row plays one piece. When a document ends, its row goes to
the next one (:mod:`harness.scoring.schedules.dealing`).

**Nothing tells where a document ends**, before it has ended. Documents come in a drawn order (the
best of some, see :func:`harness.scoring.schedules.dealing.drawn_order`). What is asked of a row
follows from how far its document is: a piece is as long as any other, the last one too, and behind
its last target stands text from elsewhere, in the windows of all pieces alike. Windows have one of
few lengths, the segment's, doubled up to the sequence length, by the same count; so rows of
different ages share a request. A row without a document plays one that has no end and no targets.
So the number of requests, their shapes and their rows are a function of what was told before: of
which documents have ended already.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.scoring.schedules.asking import (
    Ask,
    Filler,
    Indices,
    ObserveRows,
    Reset,
    Schedule,
    Study,
    Tell,
    Tokens,
    Turn,
)
from harness.scoring.schedules.dealing import Moves, Step, deal, moves_of, studies_of
from harness.scoring.schedules.plan import NONE, Floats, Layout, Room, Slot, Windows


class Shape(NamedTuple):
    """Of windows, each int64[K]: where in its document it begins, how long it is, what is asked."""

    starts: Indices
    lengths: Indices
    firsts: Indices


@dataclass(frozen=True)
class Elsewhere:
    """Text of other documents, and where what is taken of it begins is drawn from ``seed``."""

    text: Tokens
    seed: int

    def drawn(self, *words: int) -> np.random.Generator:
        """A generator of its own for each purpose."""
        return np.random.default_rng([self.seed, *words])


@dataclass(frozen=True)
class DocumentPlan:
    """All pieces of the documents of a stream of ``tokens`` tokens, in the order of their targets.

    Attributes:
        tokens: tokens in the stream, N.
        opened: int64[D], ascending: the stream index of the BOS of each document, 0 the first.
        sequence_length: most tokens in a window.
        segment: targets in a piece.
        rows: documents that are open at once on each device.
        order: int64[D], the documents in the order in which they are dealt.
        elsewhere: what stands behind the last target.
        adaptive: whether the model is told what was scored.
        study_after: numbers of finished documents at which all of them are studied, ascending.
    """

    tokens: int
    opened: Indices
    sequence_length: int
    segment: int
    rows: int
    order: Indices
    elsewhere: Elsewhere
    adaptive: bool = True
    study_after: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.tokens < 2 or not 1 <= self.segment <= self.sequence_length or self.rows < 1:
            raise ValueError(
                "expected at least 2 tokens, 1 <= segment <= sequence_length and a row, found "
                f"{self.tokens}, {self.segment}, {self.sequence_length}, {self.rows}"
            )
        if not len(self.opened) or self.opened[0] != 0:
            raise ValueError("expected a stream that begins with a document")

    @property
    def targets(self) -> int:
        """Targets in the stream; each is scored once."""
        return self.tokens - 1

    @cached_property
    def closed(self) -> Indices:
        """int64[D]: the stream index of each document's last target."""
        return np.append(self.opened[1:], self.tokens - 1)

    @cached_property
    def pieces(self) -> Indices:
        """int64[D]: how many pieces each document has; none, if the stream ends with its BOS."""
        return -(-(self.closed - self.opened) // self.segment)

    @cached_property
    def first_pieces(self) -> Indices:
        """int64[D]: the number of each document's first piece."""
        return np.cumsum(self.pieces) - self.pieces

    @cached_property
    def documents(self) -> Indices:
        """int64[P]: the document of each piece."""
        return np.repeat(np.arange(len(self.opened)), self.pieces)

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.documents)

    @cached_property
    def ages(self) -> Indices:
        """int64[P]: how manieth of its document each piece is, from 0."""
        return np.arange(len(self)) - self.first_pieces[self.documents]

    @cached_property
    def windows(self) -> Windows:
        """The window of each piece; a group is a document."""
        shape = self.shape(self.ages)
        opened = self.opened[self.documents]
        left = self.closed[self.documents] - opened - self.ages * self.segment
        counts = np.minimum(left, self.segment)
        return Windows(opened + shape.starts, shape.lengths, shape.firsts, counts, self.documents)

    def shape(self, ages: Indices) -> Shape:
        """The windows of pieces of some ages int64[K], of any documents."""
        needed = (ages + 1) * self.segment
        held = np.minimum(needed, self.sequence_length)
        lengths = self.lengths[np.searchsorted(self.lengths, held)]
        return Shape(needed - held, lengths, held - self.segment)

    @cached_property
    def lengths(self) -> Indices:
        """The lengths that windows have: the segment's, doubled up to the sequence length."""
        lengths = [self.segment]
        while lengths[-1] < self.sequence_length:
            lengths.append(min(2 * lengths[-1], self.sequence_length))
        return np.array(lengths, np.int64)

    def slot(self, room: Room) -> Slot:
        """See :class:`harness.scoring.schedules.plan.Plan`."""
        most = [(n, self.at_once(n, room)) for n in self.lengths.tolist()]
        asked = max(length * windows + 2 * windows for length, windows in most)
        told = self.rows * (self.segment + 2)
        return Slot(max(asked, told), max(windows for _, windows in most) * self.segment)

    def at_once(self, length: int, room: Room) -> int:
        """How many windows of a length one request holds at most."""
        return min(max(self.rows, 2), room.windows(length=length, positions=self.segment))

    def moves(self, *, lanes: int) -> Moves:
        """What is played where and when while scoring."""
        lengths = self.pieces[self.order]
        dealt = deal(lengths.tolist(), dict.fromkeys(range(lanes * self.rows), 0))
        moves = moves_of(dealt, self.first_pieces[self.order], lengths, lanes=lanes)
        studies = studies_of(dealt, self.order, lengths, self.study_after)
        return Moves(moves.lanes, moves.places, moves.steps, moves.pieces, studies)

    @property
    def fullest(self) -> float:
        """See :class:`harness.scoring.schedules.plan.Plan`."""
        return self.segment * len(self) / self.targets

    def divisors(self, counts: Indices) -> Floats:
        """See :class:`harness.scoring.schedules.plan.Plan`.

        A document's last piece has few targets, and would count as much as any other.
        """
        return np.full(len(counts), self.targets / len(self))

    def layout(self, *, lanes: int) -> Layout:
        """See :class:`harness.scoring.schedules.plan.Plan`."""
        return Layout(
            sequence_length=self.sequence_length,
            stride=self.segment,
            segment=self.segment,
            streams="documents",
            rows=self.rows,
            schedule_digest=self.moves(lanes=lanes).digest,
        )

    def schedule(self, *, room: Room, lanes: int, twice: Indices = NONE) -> Schedule:
        """See :class:`harness.scoring.schedules.plan.Plan`."""
        return Scoring(self, self.moves(lanes=lanes), room, twice)

    def asks(
        self, pieces: Indices, rows: Indices, ages: Indices, *, room: Room
    ) -> Iterator[tuple[Ask, Indices]]:
        """Pieces int64[K] as asks, each with the places int64[B] of its windows among them.

        Those of a piece -1 hold no target. Which are asked together follows from ``rows`` and
        ``ages`` alone. Filler is still to be put behind them.
        """
        shape = self.shape(ages)
        real = pieces >= 0
        known = np.where(real, pieces, 0)
        starts = np.where(real, self.windows.starts[known], 0)
        counts = np.where(real, self.windows.counts[known], 0)
        shown = np.where(real, shape.firsts + counts, 0)
        for length in np.unique(shape.lengths).tolist():
            group = np.flatnonzero(shape.lengths == length)
            at_once = self.at_once(length, room)
            for begin in range(0, len(group), at_once):
                places = group[begin : begin + at_once]
                ask = Ask(
                    windows=pieces[places],
                    starts=starts[places],
                    length=length,
                    firsts=shape.firsts[places],
                    counts=counts[places],
                    positions=self.segment,
                    shown=shown[places],
                    rows=rows[places],
                )
                yield ask, places

    def told(self, step: Step, *, until: Indices | None = None) -> tuple[Tell, ...]:
        """What is observed after a step: all that was scored, but nothing behind which nothing is.

        ``until`` int64[D]: so many pieces of each document are played; all where not given.
        """
        documents = self.documents[step.pieces]
        last = (self.pieces if until is None else until)[documents] - 1
        goes_on = self.ages[step.pieces] < last
        if not self.adaptive or not goes_on.any():
            return ()
        pieces = step.pieces[goes_on]
        begins = self.windows.starts[pieces] + self.windows.firsts[pieces] + 1
        return (ObserveRows(step.rows[goes_on], begins, self.windows.counts[pieces]),)

    def before(self, step: Step, opened: Sequence[int] = ()) -> Iterator[Turn]:
        """What is told before a step: studies, and in which rows a document begins.

        ``opened``: rows that begin to play a document without end.
        """
        if not self.adaptive:
            return
        for documents in step.studies:
            study = Study(self.opened[documents], self.closed[documents])
            yield Turn(iter(()), (study,), meets=True)
        begin = step.rows[self.ages[step.pieces] == 0]
        rows = np.union1d(begin, np.array(opened, np.int64)).astype(np.int64)
        if len(rows):
            yield Turn(iter(()), (Reset(rows),))


@dataclass(frozen=True)
class Scoring:
    """All pieces once, each followed by what is then observed."""

    plan: DocumentPlan
    moves: Moves
    room: Room
    twice: Indices

    def turns(self, lane: int) -> Iterator[Turn]:
        """See :class:`harness.scoring.schedules.asking.Schedule`."""
        plan = self.plan
        rng = plan.elsewhere.drawn(1, lane)
        idle_since = np.full(plan.rows, -1, np.int64)
        again = np.zeros(len(plan), np.bool_)
        again[self.twice] = True
        for step in self.moves.of(lane):
            busy = np.zeros(plan.rows, np.bool_)
            busy[step.rows] = True
            begins_idle = np.flatnonzero(~busy & (idle_since < 0))
            idle_since[begins_idle] = step.number
            idle_since[busy] = -1
            yield from plan.before(step, begins_idle.tolist() if len(step.rows) else ())
            if len(step.rows):
                asks = self._asks(step, idle_since, again, rng)
                yield Turn(asks, plan.told(step))

    def _asks(
        self,
        step: Step,
        idle_since: Indices,
        again: npt.NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> Iterator[Ask]:
        rows = np.arange(self.plan.rows, dtype=np.int64)
        pieces, ages = np.full(len(rows), -1, np.int64), step.number - idle_since
        pieces[step.rows], ages[step.rows] = step.pieces, self.plan.ages[step.pieces]
        # A window that is asked twice ends as it did: where two texts begin to differ, it ends.
        text = self.plan.elsewhere.text
        begins = rng.integers(0, max(1, len(text)), self.plan.rows)
        for ask, _ in self.plan.asks(pieces, rows, ages, room=self.room):
            yield filled(ask, text, begins)
        # One by one: in whatever request a piece is asked, its two rows are alone in this one.
        for place in np.flatnonzero(again[step.pieces]).tolist():
            one = slice(place, place + 1)
            piece, row = step.pieces[one], step.rows[one]
            for ask, _ in self.plan.asks(piece, row, self.plan.ages[piece], room=self.room):
                if self.plan.at_once(ask.length, self.room) > 1:
                    number = np.searchsorted(self.twice, piece)
                    yield filled(ask, text, begins).twice(number)


def filled(ask: Ask, text: Tokens, begins: Indices) -> Ask:
    """An ask with text from elsewhere behind its targets, from ``begins`` int64[rows] on."""
    assert ask.rows is not None  # noqa: S101 - of documents
    return replace(ask, filler=Filler(text, begins[ask.rows]))


def documents_of(tokens: Tokens, bos_id: int) -> Indices:
    """int64[D]: where in a stream its documents begin."""
    return np.flatnonzero(tokens == bos_id).astype(np.int64)
