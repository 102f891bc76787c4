"""Which tokens go into which window, so that every target is scored exactly once.

A stream of N tokens has targets 1..N-1: token t is predicted from tokens before it. A window
holds L consecutive tokens of context, the same L for all; logits at its position i predict
the token behind it. The first window scores all its targets, each later one the ``stride``
targets behind the window before it, the last one what is left: the tail is always scored.

For an adaptive model the targets are also cut into segments, and the windows end with them.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Asked(NamedTuple):
    """What is altered in windows that are asked again; each field but the last is int64[B].

    ``numbers`` tell the questions apart. Up to position ``cuts`` a window holds its own tokens;
    after it those of ``text`` uint16[M], from ``suffixes`` on, whose end is followed by its
    beginning. A window that is cut at its last position is unchanged.
    """

    numbers: npt.NDArray[np.int64]
    cuts: npt.NDArray[np.int64]
    suffixes: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint16]

    @classmethod
    def unchanged(cls, numbers: npt.NDArray[np.int64], *, length: int) -> "Asked":
        """Questions int64[B] whose windows of ``length`` are shown as they are."""
        cuts = np.full(len(numbers), length - 1, np.int64)
        return cls(numbers, cuts, np.zeros_like(cuts), np.empty(0, np.uint16))


@dataclass(frozen=True)
class Request:
    """Windows that are sent together: all of one length, scored from position ``first`` on.

    ``windows`` int64[B]: index of each among all windows; ``starts`` int64[B]: index in the
    stream of its first token. ``asked`` is None for windows that are scored.
    """

    windows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    length: int
    first: int
    asked: Asked | None = None

    @property
    def positions(self) -> int:
        """Targets scored in each window."""
        return self.length - self.first

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """int64[B, positions]: stream index of each target, in the order of the logits."""
        after = np.arange(self.first + 1, self.length + 1, dtype=np.int64)
        return self.starts[:, None] + after[None, :]

    def asking(self, asked: Asked) -> "Request":
        """The same windows, asked again."""
        return replace(self, asked=asked)

    def tokens(self, stream: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
        """int64[B, L]: what the model is shown."""
        index = self.starts[:, None] + np.arange(self.length, dtype=np.int64)[None, :]
        shown = np.asarray(stream[index], np.int64)
        if self.asked is not None:
            _, cuts, suffixes, text = self.asked
            for row, (cut, suffix) in enumerate(zip(cuts, suffixes, strict=True)):
                other = np.arange(suffix, suffix + self.length - cut - 1)
                if len(other):
                    shown[row, cut + 1 :] = np.take(text, other, mode="wrap")
        return shown


class Windows(NamedTuple):
    """All windows of a plan in the order of their targets; each field is int64[W].

    ``starts``: index in the stream of the first token. ``lengths``: tokens shown.
    ``firsts``: position from which on its logits are scored. ``segments``: whose targets.
    """

    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    firsts: npt.NDArray[np.int64]
    segments: npt.NDArray[np.int64]


class Round(NamedTuple):
    """Requests that may be answered in any order, and what all workers observe after the last.

    ``observed`` uint16[M]: the targets of a segment; None where nothing is to be observed.
    """

    requests: Iterator[Request]
    observed: npt.NDArray[np.uint16] | None


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
        return Windows(last - lengths, lengths, lengths - scored, segments)

    def observed(self, segment: int, stream: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """uint16[M], M <= N: the tokens of ``stream`` that are a segment's targets."""
        begin = 1 + segment * self._segment
        return stream[begin : min(begin + self._segment, self.tokens)]

    def rounds(
        self, stream: npt.NDArray[np.uint16], *, windows_at_once: int, workers: int
    ) -> Iterator[Round]:
        """Everything to be asked, segment by segment, each followed by what is then observed."""
        windows = np.arange(len(self), dtype=np.int64)
        if self.segment is None:
            yield Round(self.requests(windows, windows_at_once=windows_at_once), None)
            return
        bounds = np.searchsorted(self.windows.segments, np.arange(self.segments + 1))
        for segment, (begin, end) in enumerate(itertools.pairwise(bounds.tolist())):
            share = math.ceil((end - begin) / workers)
            at_once = min(windows_at_once, share)
            yield Round(
                self.requests(windows[begin:end], windows_at_once=at_once),
                self.observed(segment, stream),
            )

    def requests(
        self, windows: npt.NDArray[np.int64], *, windows_at_once: int
    ) -> Iterator[Request]:
        """Windows int64[K] as requests of at most ``windows_at_once``.

        Only windows of one length, scored from the same position on, may be sent together.
        """
        for request, _ in self.placed(windows, windows_at_once=windows_at_once):
            yield request

    def placed(
        self, windows: npt.NDArray[np.int64], *, windows_at_once: int
    ) -> Iterator[tuple[Request, npt.NDArray[np.int64]]]:
        """As :meth:`requests`, each with the places int64[B] of its windows among those given."""
        starts, lengths, firsts, _ = self.windows
        shapes = lengths[windows] * (self.length + 1) + firsts[windows]
        for shape in np.unique(shapes):
            length, first = divmod(int(shape), self.length + 1)
            group = np.flatnonzero(shapes == shape)
            for begin in range(0, len(group), windows_at_once):
                places = group[begin : begin + windows_at_once]
                together = windows[places]
                yield Request(together, starts[together], length, first), places


def windows_at_once(
    plan: WindowPlan, *, vocabulary_size: int, token_budget: int, logit_bytes: int
) -> int:
    """How many windows fit a request: so many tokens in, so many bytes of logits out."""
    by_tokens = token_budget // plan.length
    by_logits = logit_bytes // (min(plan.stride, plan.length) * vocabulary_size * 4)
    return max(1, min(by_tokens, by_logits))
