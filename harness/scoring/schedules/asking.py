"""What a schedule is made of: asks, tells and turns.

A schedule is a pure function of lengths, settings and drawn orders. It never depends on tokens, nor
on how fast anybody is. Each worker has a lane of it: turn by turn, all asks are answered and
summed, then everything is told; some turns end for all lanes together.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.uint16]


class Filler(NamedTuple):
    """Text that stands where a window holds none of the stream.

    ``text`` uint16[M] is taken from ``begins`` int64[B] on; its end is followed by its beginning.
    """

    text: Tokens
    begins: Indices


@dataclass(frozen=True)
class Ask:
    """Windows that are sent together: all of one length, with as many positions asked.

    Attributes:
        windows: int64[B], the index of each among all windows; -1 for one that holds only filler.
        starts: int64[B], index in the stream of its first token.
        length: tokens in each, L.
        firsts: int64[B], the first position whose logits are wanted.
        counts: int64[B], how many of the ``positions`` are targets; logits of others are ignored.
        positions: how many logits are wanted of each, P.
        shown: int64[B], so many tokens of the stream are shown; filler follows.
        rows: int64[B], the row of each, where documents are streams.
        filler: what follows them.
        questions: int64[B], numbers of questions that are asked again; None while scoring.
    """

    windows: Indices
    starts: Indices
    length: int
    firsts: Indices
    counts: Indices
    positions: int
    shown: Indices
    rows: Indices | None = None
    filler: Filler | None = None
    questions: Indices | None = None

    @property
    def first(self) -> int:
        """The first position, where it is the same for all."""
        return self.length - self.positions

    @property
    def targets(self) -> Indices:
        """int64[B, P]: stream index of each target, in the order of the logits.

        Where a position is no target, that of the window's first one.
        """
        begins = self.starts + self.firsts + 1
        targets: Indices = np.where(
            self.wanted,
            begins[:, None] + np.arange(self.positions, dtype=np.int64)[None, :],
            np.where(self.counts > 0, begins, 0)[:, None],
        )
        return targets

    @property
    def wanted(self) -> npt.NDArray[np.bool_]:
        """bool[B, P]: which positions are targets."""
        wanted: npt.NDArray[np.bool_] = np.arange(self.positions)[None, :] < self.counts[:, None]
        return wanted

    def twice(self, questions: Indices) -> "Ask":
        """Each window twice in one request; ``questions`` int64[B] are their numbers.

        Two rows of a request have everything in common but their place, so whatever is not random
        answers both alike, memory or not.
        """

        def both(part: Indices) -> Indices:
            return np.concatenate([part, part])

        return replace(
            self,
            windows=both(self.windows),
            starts=both(self.starts),
            firsts=both(self.firsts),
            counts=both(self.counts),
            shown=both(self.shown),
            rows=None if self.rows is None else both(self.rows),
            filler=self.filler and self.filler._replace(begins=both(self.filler.begins)),
            questions=both(questions),
        )

    def tokens(self, stream: Tokens) -> Indices:
        """int64[B, L]: what the model is shown."""
        index = self.starts[:, None] + np.arange(self.length, dtype=np.int64)[None, :]
        own = np.arange(self.length)[None, :] < self.shown[:, None]
        shown = np.asarray(stream[np.where(own, index, 0)], np.int64)
        if self.filler is not None and len(self.filler.text):
            rows, columns = np.nonzero(~own)
            behind = columns - self.shown[rows] + self.filler.begins[rows]
            shown[rows, columns] = self.filler.text[behind % len(self.filler.text)]
        return shown


class Observe(NamedTuple):
    """The stream's targets ``begin`` to ``end`` were scored."""

    begin: int
    end: int


class ObserveRows(NamedTuple):
    """Of each row int64[R], ``counts`` int64[R] targets from ``begins`` int64[R] on were scored."""

    rows: Indices
    begins: Indices
    counts: Indices


class Reset(NamedTuple):
    """A document begins in each of these rows int64[R]."""

    rows: Indices


class Study(NamedTuple):
    """Documents that are finished: the stream from ``begins`` to ``ends``, both int64[K]."""

    begins: Indices
    ends: Indices


Tell = Observe | ObserveRows | Reset | Study


class Turn(NamedTuple):
    """All that is asked, then what is told; ``meets``: all lanes end their asks before any tell."""

    asks: Iterator[Ask]
    tells: tuple[Tell, ...] = ()
    meets: bool = False


class Schedule(Protocol):
    """The turns of every lane; those that meet are as many in each."""

    def turns(self, lane: int) -> Iterator[Turn]:
        """The turns of one lane, in order; called once for each lane of each game."""


def requests_of(schedule: Schedule, *, lanes: int) -> int:
    """How many asks a schedule has, in all lanes together; they are used up."""
    return sum(1 for lane in range(lanes) for turn in schedule.turns(lane) for _ in turn.asks)


class Supply:
    """Asks that several lanes draw from: each is given out once."""

    def __init__(self, asks: Iterator[Ask]) -> None:
        self._asks = asks
        self._lock = threading.Lock()

    def __iter__(self) -> "Supply":
        return self

    def __next__(self) -> Ask:
        with self._lock:
            return next(self._asks)


class Supplied(NamedTuple):
    """One turn that all lanes share."""

    asks: Iterator[Ask]
    tells: tuple[Tell, ...] = ()


class SharedTurns:
    """A schedule whose turns all lanes play together, each lane answering some of the asks."""

    def __init__(self, turns: Iterator[Supplied]) -> None:
        self._turns = turns
        self._begun: list[Turn] = []
        self._lock = threading.Lock()

    def turns(self, lane: int) -> Iterator[Turn]:
        """See :class:`Schedule`."""
        number = 0
        while (turn := self._turn(number)) is not None:
            yield turn
            number += 1

    def _turn(self, number: int) -> Turn | None:
        with self._lock:
            if number == len(self._begun):
                supplied = next(self._turns, None)
                if supplied is None:
                    return None
                self._begun.append(Turn(Supply(supplied.asks), supplied.tells, meets=True))
            return self._begun[number]
