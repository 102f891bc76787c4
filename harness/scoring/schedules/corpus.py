"""One stream in order: which tokens go into which window, so that every target is scored once.

A stream of N tokens has targets 1..N-1: token t is predicted from tokens before it. A window
holds L consecutive tokens of context, the same L for all; logits at its position i predict
the token behind it. The first window scores all its targets, each later one the ``stride``
targets behind the window before it, the last one what is left: the tail is always scored.

For an adaptive model the targets are also cut into segments, and the windows end with them. Its
workers are replicas. The windows of a segment are distributed over them; when every answer is
summed, all of them observe the whole segment at the same time. (One worker alone would leave seven
of eight accelerators idle. Replicas can share the work of observing, because each of them is
called.)
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.scoring.schedules.asking import (
    Ask,
    Indices,
    Observe,
    Schedule,
    SharedTurns,
    Supplied,
)
from harness.scoring.schedules.plan import NONE, Floats, Layout, Room, Slot, Windows


@dataclass(frozen=True)
class WindowPlan:
    """All windows over a stream of ``tokens`` tokens (at least 2).

    With a ``segment`` of N, the targets are cut into segments of N, the last one shorter, and no
    window scores targets of two: segment k holds targets k N + 1 to (k + 1) N, and a window of
    it shows no token behind the segment's last target but one. So what the windows of segment k
    show is what has been observed by then, and targets of segment k itself.
    """

    tokens: int
    sequence_length: int
    stride: int
    segment: int | None = None

    def __post_init__(self) -> None:
        if self.tokens < 2 or not 1 <= self.stride <= self.sequence_length:
            raise ValueError(
                "expected at least 2 tokens and 1 <= stride <= sequence_length, found "
                f"{self.tokens}, {self.stride}, {self.sequence_length}"
            )
        if self.segment is not None and self.segment < 1:
            raise ValueError(f"expected a segment of at least 1 target, found {self.segment}")

    @property
    def length(self) -> int:
        """Tokens in the longest window: the sequence length, or the whole of a shorter stream.

        Every window is so long, but for those of a segment that ends before so many tokens.
        """
        return min(self.sequence_length, self.tokens - 1)

    @property
    def targets(self) -> int:
        """Targets in the stream; each is scored once."""
        return self.tokens - 1

    @property
    def segments(self) -> int:
        """Number of segments; 1 for a plan that observes none."""
        return math.ceil(self.targets / self._segment)

    @property
    def _segment(self) -> int:
        return self.targets if self.segment is None else min(self.segment, self.targets)

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.windows.starts)

    @cached_property
    def windows(self) -> Windows:
        """All windows in order."""
        begins = np.arange(self.segments, dtype=np.int64) * self._segment
        ends = np.minimum(begins + self._segment, self.targets)
        # Only the first window has no context to spend, so it scores all that it can hold.
        firsts = np.minimum(begins + self.stride, ends)
        firsts[0] = min(self.length, int(ends[0]))
        counts = 1 - (firsts - ends) // self.stride
        segments = np.repeat(np.arange(self.segments, dtype=np.int64), counts)
        within = np.arange(len(segments)) - np.repeat(np.cumsum(counts) - counts, counts)
        last = np.minimum(firsts[segments] + within * self.stride, ends[segments])
        lengths = np.minimum(last, self.length)
        scored = np.diff(last, prepend=0)
        return Windows(last - lengths, lengths, lengths - scored, scored, segments)

    def observed(self, segment: int) -> Observe:
        """What is told when all targets of a segment are scored."""
        begin = 1 + segment * self._segment
        return Observe(begin, min(begin + self._segment, self.tokens))

    @property
    def fullest(self) -> float:
        """See :class:`harness.scoring.schedules.plan.Plan`."""
        return 1.0

    def divisors(self, counts: Indices) -> Floats:
        """See :class:`harness.scoring.schedules.plan.Plan`: their own numbers."""
        return counts.astype(np.float64)

    def layout(self, *, lanes: int) -> Layout:
        """See :class:`harness.scoring.schedules.plan.Plan`. Nothing is drawn: no digest."""
        return Layout(self.sequence_length, self.stride, self.segment)

    def slot(self, room: Room) -> Slot:
        """See :class:`harness.scoring.schedules.plan.Plan`."""
        at_once = self._at_once(room)
        return Slot(
            tokens=max(at_once * self.length, self.segment or 0),
            positions=max(self.length, at_once * min(self.stride, self.length)),
        )

    def _at_once(self, room: Room) -> int:
        return room.windows(length=self.length, positions=min(self.stride, self.length))

    def placed(
        self, windows: Indices, *, room: Room, share: int = 0
    ) -> Iterator[tuple[Ask, Indices]]:
        """Windows int64[K] as asks, each with the places int64[B] of its windows among them.

        At most ``share`` windows are asked together, where that is not 0. Only those of one length,
        scored from the same position on, may be.
        """
        at_once = min(self._at_once(room), share or len(self))
        return self.windows.asked(windows, at_once=at_once)

    def schedule(self, *, room: Room, lanes: int, twice: Indices = NONE) -> Schedule:
        """See :class:`harness.scoring.schedules.plan.Plan`: each segment, then what is observed."""
        return SharedTurns(self._turns(room, lanes, twice))

    def _turns(self, room: Room, lanes: int, twice: Indices) -> Iterator[Supplied]:
        windows = np.arange(len(self), dtype=np.int64)
        if self.segment is None:
            scored = (ask for ask, _ in self.placed(windows, room=room))
            yield Supplied(itertools.chain(scored, self._pairs(twice, twice, room)))
            return
        groups = self.windows.groups
        bounds = np.searchsorted(groups, np.arange(self.segments + 1))
        for segment, (begin, end) in enumerate(itertools.pairwise(bounds.tolist())):
            share = math.ceil((end - begin) / lanes)
            scored = (ask for ask, _ in self.placed(windows[begin:end], room=room, share=share))
            pairs = self._pairs(twice[groups[twice] == segment], twice, room)
            yield Supplied(itertools.chain(scored, pairs), (self.observed(segment),))

    def _pairs(self, windows: Indices, twice: Indices, room: Room) -> Iterator[Ask]:
        pairs = self._at_once(room) // 2
        if not pairs:  # a window fills a request
            return
        for ask, _ in self.placed(windows, room=room, share=pairs):
            yield ask.twice(np.searchsorted(twice, ask.windows))
