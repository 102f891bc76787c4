"""Windows over a stream, whichever way it is played: every target is in exactly one of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from harness.scoring.schedules.asking import Ask, Indices, Schedule

Floats = npt.NDArray[np.float64]
NONE: Indices = np.empty(0, np.int64)


class Slot(NamedTuple):
    """The most that one request may hold: token ids, and positions with logits."""

    tokens: int
    positions: int


@dataclass(frozen=True)
class Room:
    """How much goes into one request: so many tokens in, so many bytes of logits out."""

    tokens: int
    vocabulary_size: int
    logit_bytes: int = 256 << 20

    def windows(self, *, length: int, positions: int) -> int:
        """How many windows of a length may be asked together; at least 1."""
        by_logits = self.logit_bytes // (positions * self.vocabulary_size * 4)
        return max(1, min(self.tokens // length, by_logits))


class Windows(NamedTuple):
    """All windows of a plan in the order of their targets; each field is int64[W].

    ``starts``: index in the stream of the first token. ``lengths``: tokens shown. ``firsts``:
    position from which on its logits are scored, at ``counts`` positions. ``groups``: windows of
    one group are asked before anything is learned from their targets.
    """

    starts: Indices
    lengths: Indices
    firsts: Indices
    counts: Indices
    groups: Indices

    @property
    def lasts(self) -> Indices:
        """int64[W], ascending: the stream index of each window's last target."""
        return self.starts + self.firsts + self.counts

    def asked(self, chosen: Indices, *, at_once: int) -> Iterator[tuple[Ask, Indices]]:
        """Windows int64[K] as asks, each with the places int64[B] of its windows among them.

        At most ``at_once`` are asked together: only those of one length, scored from the same
        position on, may be.
        """
        lengths, firsts = self.lengths[chosen], self.firsts[chosen]
        base = int(firsts.max(initial=0)) + 1
        shapes = lengths * base + firsts
        for shape in np.unique(shapes):
            length, first = divmod(int(shape), base)
            group = np.flatnonzero(shapes == shape)
            for begin in range(0, len(group), at_once):
                places = group[begin : begin + at_once]
                together = chosen[places]
                ask = Ask(
                    windows=together,
                    starts=self.starts[together],
                    length=length,
                    firsts=self.firsts[together],
                    counts=self.counts[together],
                    positions=length - first,
                    shown=self.lengths[together],
                )
                yield ask, places


class Layout(NamedTuple):
    """How a stream is scored, as in :class:`harness.evidence.results.Scores`."""

    sequence_length: int
    stride: int
    segment: int | None
    streams: Literal["corpus", "documents"] = "corpus"
    rows: int | None = None
    schedule_digest: str = ""


class Plan(Protocol):
    """All windows over a stream, each target in one of them."""

    @property
    def tokens(self) -> int:
        """Tokens in the stream, N."""

    @property
    def targets(self) -> int:
        """Targets in the stream; each is scored once."""

    @property
    def windows(self) -> Windows:
        """All windows."""

    @property
    def fullest(self) -> float:
        """How many times as many targets the fullest window has as the mean one.

        1 where but for the first and the last one all have as many.
        """

    def divisors(self, counts: Indices) -> Floats:
        """float64[B]: what sums over windows of ``counts`` int64[B] targets are divided by.

        The mean over windows then is that over targets.
        """

    def layout(self, *, lanes: int) -> Layout:
        """What a score's evidence says of all this."""

    def __len__(self) -> int:
        """Number of windows."""

    def slot(self, room: Room) -> Slot:
        """The most that a request may hold."""

    def schedule(self, *, room: Room, lanes: int, twice: Indices = NONE) -> Schedule:
        """All of them, as they are scored.

        ``twice`` int64[W], windows in order, are asked again at once, each twice in one request.
        """
