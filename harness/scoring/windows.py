"""Which tokens go into which window, so that every target is scored exactly once.

A stream of N tokens has targets 1..N-1: token t is predicted from tokens before it. A window
holds L consecutive tokens of context, the same L for all; logits at its position i predict
the token behind it. The first window scores all its targets, each later one the ``stride``
targets behind the window before it, the last one what is left: the tail is always scored.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Request:
    """Windows that are sent together: all of one length, scored from position ``first`` on.

    ``windows`` int64[B]: index of each among all windows; ``starts`` int64[B]: index in the
    stream of its first token. In a causality probe, the tokens behind position ``cut`` int64[B]
    are those of the window that starts at ``future`` int64[B]; both are None otherwise.
    """

    windows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    length: int
    first: int
    cut: npt.NDArray[np.int64] | None = None
    future: npt.NDArray[np.int64] | None = None

    @property
    def positions(self) -> int:
        """Targets scored in each window."""
        return self.length - self.first

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """int64[B, positions]: stream index of each target, in the order of the logits."""
        behind = np.arange(self.first + 1, self.length + 1, dtype=np.int64)
        return self.starts[:, None] + behind[None, :]

    def tokens(self, stream: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
        """int64[B, L]: what the model is shown."""
        index = self.starts[:, None] + np.arange(self.length, dtype=np.int64)[None, :]
        shown = np.asarray(stream[index], np.int64)
        if self.cut is not None and self.future is not None:
            for row, (cut, future) in enumerate(zip(self.cut, self.future, strict=True)):
                shown[row, cut + 1 :] = stream[future + cut + 1 : future + self.length]
        return shown


@dataclass(frozen=True)
class WindowPlan:
    """All windows over a stream of ``tokens`` tokens (at least 2)."""

    tokens: int
    sequence_length: int
    stride: int

    def __post_init__(self) -> None:
        if self.tokens < 2 or not 1 <= self.stride <= self.sequence_length:
            raise ValueError(
                "expected at least 2 tokens and 1 <= stride <= sequence_length, found "
                f"{self.tokens}, {self.stride}, {self.sequence_length}"
            )

    @property
    def length(self) -> int:
        """Tokens in every window: the sequence length, or the whole of a shorter stream."""
        return min(self.sequence_length, self.tokens - 1)

    @property
    def targets(self) -> int:
        """Targets in the stream; each is scored once."""
        return self.tokens - 1

    def __len__(self) -> int:
        """Number of windows."""
        return 1 + math.ceil((self.targets - self.length) / self.stride)

    @property
    def windows(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """All windows in order: ``starts`` int64[W] and ``firsts`` int64[W]."""
        ends = np.minimum(
            self.length + np.arange(len(self), dtype=np.int64) * self.stride, self.targets
        )
        scored = np.diff(ends, prepend=0)
        return ends - self.length, self.length - scored

    def requests(self, *, windows_at_once: int) -> Iterator[Request]:
        """The windows in order, at most ``windows_at_once`` in a request, no probes."""
        starts, firsts = self.windows
        order = np.arange(len(self), dtype=np.int64)
        for first, group in groups(order, firsts):
            for begin in range(0, len(group), windows_at_once):
                windows = group[begin : begin + windows_at_once]
                yield Request(windows, starts[windows], self.length, first)


def groups(
    windows: npt.NDArray[np.int64], firsts: npt.NDArray[np.int64]
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Windows that may be sent together: those scored from the same position on."""
    for first in np.unique(firsts[windows]):
        yield int(first), windows[firsts[windows] == first]


def windows_at_once(
    plan: WindowPlan, *, vocabulary_size: int, token_budget: int, logit_bytes: int
) -> int:
    """How many windows fit a request: so many tokens in, so many bytes of logits out."""
    by_tokens = token_budget // plan.length
    by_logits = logit_bytes // (min(plan.stride, plan.length) * vocabulary_size * 4)
    return max(1, min(by_tokens, by_logits))
