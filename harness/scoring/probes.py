"""Causality, tested: some windows are asked again, elsewhere, with another future.

Logits at a position may depend on the tokens up to it, in the same window, and on nothing else.
So after the whole split is scored, a fresh sandbox is asked about a few secret windows again:
with other text behind a secret position, in other company, and with no memory of anything. The
answers up to that position must be the same. Whoever looked ahead, at the windows beside, or at
what was shown before, cannot know them: this sandbox never sees what there was to be seen.

An adaptive model may also depend on what it has observed, so the fresh sandbox observes the same
segments in the same order; between segments k - 1 and k it is asked about the secret windows of
segment k, and about nothing else. By then it has observed what the first sandbox had observed:
segments 0 to k - 1. An honest model's state follows from those, so its answers agree. What the
first sandbox could have learnt elsewhere was in the requests of segment k itself, because all that
earlier requests show has been observed (see :class:`~harness.scoring.windows.WindowPlan`):

- in the window, behind the position: here other text follows;
- in other windows of the segment, asked before, beside, or waiting in the next slot, whether kept
  in a cache, as weights, on disk or with another worker: here they are never asked, and no other
  secret window shares a token with this one;
- that a window is asked again: here it is asked for the first time;
- from an earlier sandbox, of this seed or another: nothing outlives a sandbox but our evidence.

Who recognises this sandbox, because nothing is asked between most segments, gains nothing by it:
to agree, the answers would have to hold what only the first one was shown. Nor may a model keep
what requests of *earlier* segments showed: it was observed anyway, and answers that depend on what
was asked before, and how, differ here. The cost is at most that of all observing, once more, and
it is not charged: the wallclock that is judged is the first sandbox's.
"""

import bisect
import hashlib
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from harness.evidence import ProbeFacts
from harness.scoring.windows import Request, Round, WindowPlan
from harness.track import Probes

# Probabilities below this are ignored: there rounding alone moves a logarithm.
SMALLEST_PROBABILITY = 1e-4
# Stands for a probability that became zero, or was.
LARGEST_NATS = 1e3


@dataclass
class ProbeSet:
    """Windows to be asked twice, the answers of the first time, and how the second differed.

    ``windows`` int64[K]: indices among all windows, no two of which share a token.
    ``cuts`` int64[K]: in each the last position that keeps its past. ``futures`` int64[K]: where
    in the stream the window starts whose tokens follow instead.
    """

    plan: WindowPlan
    windows: npt.NDArray[np.int64]
    cuts: npt.NDArray[np.int64]
    futures: npt.NDArray[np.int64]
    _expected: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    _compared: int = 0
    _largest: float = 0.0
    _worst_target: int = -1
    _gain: float = 0.0
    _gain_at_cut: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._number = np.full(len(self.plan), -1, np.int64)
        self._number[self.windows] = np.arange(len(self.windows))

    @classmethod
    def none(cls, plan: WindowPlan) -> "ProbeSet":
        """No probes."""
        nothing = np.empty(0, np.int64)
        return cls(plan, nothing, nothing, nothing)

    @classmethod
    def draw(
        cls,
        plan: WindowPlan,
        tokens: npt.NDArray[np.uint16],
        *,
        secret: bytes,
        settings: Probes,
    ) -> "ProbeSet":
        """Choose windows, cuts and futures; a function of ``secret``, known to the harness alone.

        As many as the settings ask for, or as have room: a window never holds a token of
        another one, so that no probe shows what another one hides.
        """
        seed = int.from_bytes(hashlib.sha256(b"probes\0" + secret).digest(), "big")
        rng = np.random.default_rng(seed)
        starts, lengths, firsts, _ = plan.windows
        wanted = max(settings.least, math.ceil(settings.rate * len(plan)))
        chosen = _disjoint(rng.permutation(len(plan)), starts, plan.length + 1, wanted)
        cuts = np.array([rng.integers(firsts[w], lengths[w]) for w in chosen], np.int64)
        futures = [
            _other_text(rng, tokens, start=starts[window], length=int(lengths[window]), cut=cut)
            for window, cut in zip(chosen, cuts, strict=True)
        ]
        return cls(plan, np.array(chosen, np.int64), cuts, np.array(futures, np.int64))

    def among(self, request: Request) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows of a request that are probed, and the number of the probe of each."""
        numbers = self._number[request.windows]
        rows = np.flatnonzero(numbers >= 0)
        return rows, numbers[rows]

    def rounds(self, stream: npt.NDArray[np.uint16], *, windows_at_once: int) -> Iterator[Round]:
        """The windows again, with their other futures, each when its segment's turn has come.

        What lies behind the last of them is not observed: nothing depends on it.
        """
        segments = self.plan.windows.segments[self.windows]
        last = int(segments.max(initial=0))
        for segment in range(last + 1):
            requests = self.requests(
                self.windows[segments == segment], windows_at_once=windows_at_once
            )
            more = segment < last
            yield Round(requests, self.plan.observed(segment, stream) if more else None)

    def requests(
        self, windows: npt.NDArray[np.int64], *, windows_at_once: int
    ) -> Iterator[Request]:
        """Some of the windows, with their other futures."""
        for request in self.plan.requests(windows, windows_at_once=windows_at_once):
            numbers = self._number[request.windows]
            yield replace(request, cut=self.cuts[numbers], future=self.futures[numbers])

    def keep(self, number: int, nats: torch.Tensor, log_probabilities: torch.Tensor) -> None:
        """Keep the first answer: float32[P] cost of each target, float32[V] at the cut."""
        with self._lock:
            self._expected[number] = nats.clone(), log_probabilities.clone()

    def compare(
        self,
        request: Request,
        row: int,
        number: int,
        nats: torch.Tensor,
        log_probabilities: torch.Tensor,
    ) -> None:
        """Hold the second answer against the first; arguments as of :meth:`keep`."""
        before, before_at_cut = self._expected[number]
        kept = int(self.cuts[number]) - request.first + 1
        change = nats[:kept] - before[:kept]
        # At the cut the whole distribution is compared, because a leak may hide in any token.
        likely = torch.maximum(log_probabilities, before_at_cut) >= math.log(SMALLEST_PROBABILITY)
        at_cut = 0.0  # in a large vocabulary a flat answer has no likely token at all
        if bool(likely.any()):
            at_cut = float((log_probabilities - before_at_cut)[likely].abs().max())
        size = change.abs()
        size[-1] = min(max(float(size[-1]), at_cut), LARGEST_NATS)
        worst = int(size.argmax())
        with self._lock:
            self._compared += 1
            self._gain += float(change.double().mean())
            self._gain_at_cut += float(change[-1])
            if float(size[worst]) > self._largest or self._worst_target < 0:
                self._largest = min(float(size[worst]), LARGEST_NATS)
                self._worst_target = int(request.targets[row, worst])

    def facts(self, *, segments_observed: int) -> ProbeFacts:
        """What the probes showed."""
        count = max(self._compared, 1)
        return ProbeFacts(
            probes=self._compared,
            largest_change_nats=self._largest,
            mean_gain_nats=max(self._gain, self._gain_at_cut) / count,
            worst_target=self._worst_target,
            segments_observed=segments_observed,
        )


def _disjoint(
    order: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], length: int, wanted: int
) -> list[int]:
    """The first windows of ``order`` that lie at least ``length`` tokens apart."""
    taken: list[int] = []
    chosen: list[int] = []
    for window in order:
        start = int(starts[window])
        place = bisect.bisect_left(taken, start)
        before = taken[place - 1] if place else -length
        after = taken[place] if place < len(taken) else start + length
        if start - before >= length and after - start >= length:
            taken.insert(place, start)
            chosen.append(int(window))
            if len(chosen) == wanted:
                break
    return chosen


def _other_text(
    rng: np.random.Generator,
    tokens: npt.NDArray[np.uint16],
    *,
    start: np.int64,
    length: int,
    cut: np.int64,
) -> int:
    """Where a window starts that goes on with another token behind ``cut``, if there is one."""
    chosen = 0
    for _ in range(100):
        chosen = int(rng.integers(0, len(tokens) - length))
        if cut + 1 < length and tokens[chosen + cut + 1] != tokens[start + cut + 1]:
            break
    return chosen
