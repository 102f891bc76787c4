"""Dealing documents to rows, by count of steps: which row plays which piece in which step.

The next document goes to the row that is free first; of those that are free in one step, to the
one with the lowest number. So a deal follows from the order of the documents and from their
lengths in pieces, and from nothing else. Places are rows of all lanes together: place ``p`` is row
``p // lanes`` of lane ``p % lanes``.
"""

import hashlib
import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from harness.scoring.schedules.asking import Indices

ORDERS = 64
"""Of so many drawn orders the best one is taken."""


class Step(NamedTuple):
    """What one lane plays in one step: ``pieces`` int64[M] in ``rows`` int64[M], ascending.

    Before it, each of ``studies`` int64[K], documents, is studied by all lanes together.
    """

    number: int
    rows: Indices
    pieces: Indices
    studies: tuple[Indices, ...]


@dataclass(frozen=True)
class Moves:
    """Which piece is played where and when; each int64[M].

    Attributes:
        lanes: how many there are.
        places: of each move, of ``lanes * rows``.
        steps: of each move.
        pieces: of each move.
        studies: before which step which documents are studied, in order; several may fall together.
    """

    lanes: int
    places: Indices
    steps: Indices
    pieces: Indices
    studies: tuple[tuple[int, Indices], ...] = ()

    def of(self, lane: int) -> Iterator[Step]:
        """Every step of a lane up to its last, and all studies."""
        mine = np.flatnonzero(self.places % self.lanes == lane)
        mine = mine[np.lexsort((self.places[mine], self.steps[mine]))]
        steps, rows, pieces = self.steps[mine], self.places[mine] // self.lanes, self.pieces[mine]
        last = max([int(steps.max(initial=-1)), *(step for step, _ in self.studies)])
        bounds = np.searchsorted(steps, np.arange(last + 2))
        for step in range(last + 1):
            these = slice(bounds[step], bounds[step + 1])
            yield Step(step, rows[these], pieces[these], self._studies.get(step, ()))

    @cached_property
    def _studies(self) -> Mapping[int, tuple[Indices, ...]]:
        before: dict[int, tuple[Indices, ...]] = {}
        for step, documents in self.studies:
            before[step] = (*before.get(step, ()), documents)
        return before

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        digest = hashlib.sha256()
        parts = [np.array([self.lanes]), self.places, self.steps, self.pieces]
        for step, documents in self.studies:
            parts += [np.array([step]), documents]
        for part in parts:
            digest.update(np.array([len(part)], "<i8").tobytes() + part.astype("<i8").tobytes())
        return digest.hexdigest()


class Dealt(NamedTuple):
    """When and where documents int64[K] begin: ``steps`` and ``places``, both int64[K]."""

    steps: Indices
    places: Indices


def deal(lengths: Sequence[int], free: Mapping[int, int]) -> Dealt:
    """Deal documents of so many pieces, in order, to places; ``free``: from which step on each is.

    One of no pieces takes no step.
    """
    waiting = [(step, place) for place, step in free.items()]
    heapq.heapify(waiting)
    steps, places = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
    for number, length in enumerate(lengths):
        step, place = waiting[0]
        steps[number], places[number] = step, place
        heapq.heapreplace(waiting, (step + length, place))
    return Dealt(steps, places)


def drawn_order(
    rng: np.random.Generator, pieces: Indices, *, places: int, orders: int = ORDERS
) -> Indices:
    """int64[D]: of some orders of documents, all drawn from ``rng``, that with the fewest steps.

    A long document that comes late keeps one row busy, and all others waiting: at 128 places one
    order in two is 93 % busy, and the unluckiest 80 %; of 64 orders the best is 98 % busy.

    What a chosen order tells of ends, in all of the split together, is bounded by ``ln orders``
    nats, less than five: no order is chosen with more than ``orders`` times the probability with
    which it is drawn.

    Args:
        rng: what they are drawn from.
        pieces: int64[D], how many each document has.
        places: rows of all devices together.
        orders: how many are drawn.
    """

    def steps(order: Indices) -> int:
        lengths = pieces[order]
        dealt = deal(lengths.tolist(), dict.fromkeys(range(places), 0))
        return int((dealt.steps + lengths).max())

    drawn = (rng.permutation(len(pieces)).astype(np.int64) for _ in range(orders))
    return min(drawn, key=steps)


def moves_of(dealt: Dealt, first_pieces: Indices, lengths: Indices, *, lanes: int) -> Moves:
    """The moves of documents int64[K] that are played from begin to end, one piece a step."""
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Moves(
        lanes=lanes,
        places=np.repeat(dealt.places, lengths),
        steps=np.repeat(dealt.steps, lengths) + within,
        pieces=np.repeat(first_pieces, lengths) + within,
    )


def studies_of(
    dealt: Dealt, documents: Indices, lengths: Indices, study_after: Sequence[int]
) -> tuple[tuple[int, Indices], ...]:
    """Before which step what is studied: all that was finished since the study before.

    The documents of a study are in the order in which they were finished, those of one step by
    place. A study behind which nothing is asked any more is left out.
    """
    ends = dealt.steps + lengths
    order = np.lexsort((dealt.places, ends))
    studies: list[tuple[int, Indices]] = []
    done = 0
    for count in study_after:
        if count > len(documents):
            break
        step = int(ends[order[count - 1]])
        finished = int(np.searchsorted(ends[order], step, side="right"))
        if finished > done and step < int(ends.max()):
            studies.append((step, documents[order[done:finished]]))
            done = finished
    return tuple(studies)


def replayed(
    moves: Moves, order: Indices, *, first_pieces: Indices, lengths: Indices, until: Indices
) -> Moves:
    """The same documents again, each only up to a piece, with the same studies where they were.

    Without studies they are dealt anew, in another order. With studies each has its old place, so
    that one that was open when a study began is open then again, as far as it was. Between two
    studies a place plays first what was open, then what began and ended, in another order, then
    what stays open: as while scoring, where the first of these is any document, too. Dealt anew,
    those that stay open would be known to go on. Rows of odd number wait until the others are done.

    Args:
        moves: those of the scoring.
        order: int64[K], the documents that are played again, in the order in which they are dealt.
        first_pieces: int64[D], of each document.
        lengths: int64[D], pieces of each document.
        until: int64[K], how many pieces of each document in ``order`` are played, at least 1.
    """
    if not moves.studies:
        everywhere = sorted(set(moves.places.tolist()))
        dealt = deal(until.tolist(), dict.fromkeys(everywhere, 0))
        return moves_of(dealt, first_pieces[order], until, lanes=moves.lanes)
    inverse = np.argsort(moves.pieces)
    studied = np.array([step for step, _ in moves.studies], np.int64)
    begins = moves.steps[inverse[first_pieces[order]]]
    homes = moves.places[inverse[first_pieces[order]]]
    # Pieces of each document that were played before each study, and those that now are.
    nothing = np.zeros_like(until)[:, None]
    whole = np.clip(studied[None, :] - begins[:, None], 0, lengths[order][:, None])
    upto = np.hstack([nothing, np.minimum(whole, until[:, None]), until[:, None]])
    stays = (whole > 0) & (whole < lengths[order][:, None]) & (until[:, None] > whole)
    open_at = np.hstack([nothing > 0, stays, nothing > 0])
    steps, places, pieces, studies, now = [], [], [], [], 0
    for epoch, (before, after) in enumerate(itertools.pairwise(upto.T)):
        for odd in (0, 1):
            mine = np.flatnonzero((after > before) & (homes // moves.lanes % 2 == odd))
            rank = open_at[mine, epoch + 1].astype(np.int64) - 2 * open_at[mine, epoch]
            mine = mine[np.lexsort((mine, rank, homes[mine]))]
            parts = (after - before)[mine]
            there = _after_each_other(homes[mine], parts)
            within = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
            steps.append(now + np.repeat(there, parts) + within)
            places.append(np.repeat(homes[mine], parts))
            pieces.append(np.repeat(first_pieces[order[mine]] + before[mine], parts) + within)
            now += int((there + parts).max(initial=0))
        if epoch < len(studied):
            studies.append((now, moves.studies[epoch][1]))
    return Moves(
        lanes=moves.lanes,
        places=np.concatenate(places),
        steps=np.concatenate(steps),
        pieces=np.concatenate(pieces),
        studies=tuple(studies),
    )


def _after_each_other(places: Indices, parts: Indices) -> Indices:
    """int64[K]: when each of some parts begins, those of a place, side by side, in order."""
    begins = np.cumsum(parts) - parts
    firsts = np.flatnonzero(np.diff(places, prepend=-1))
    return begins - np.repeat(begins[firsts], np.diff(firsts, append=len(parts)))
