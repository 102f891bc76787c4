"""Causality, tested: some windows are asked again, elsewhere, with another future.

Logits at a position may depend on the tokens up to it, in the same window, and on nothing else.
So secret targets are drawn, each as likely as any other whatever the windows are, and after the
whole split is scored, a fresh sandbox is asked for them again: each in its window, with other text
behind the target's position, the cut, among other sequences, and with no memory of anything. The
answers up to the cut must be the same. Whoever looked ahead, at the windows beside, or at what was
shown before, cannot know them: this sandbox has not seen what there was to be seen.

It never has, at the moment that counts: targets are asked in the order of the stream, and a window
that shows any of what another one hides is sent in a later round, when that one's answers are in.

An adaptive model may also depend on what it has observed, so the fresh sandbox observes the same
segments in the same order; between segments k - 1 and k it is asked about the secret targets of
segment k, and about nothing else. By then it has observed what the first sandbox had observed:
segments 0 to k - 1. An honest model's state follows from those, so its answers agree. What the
first sandbox could have learned elsewhere was in the requests of segment k itself, because all that
earlier requests show has been observed (see :class:`~harness.scoring.windows.WindowPlan`):

- in the window, behind the cut: here other text follows;
- in other windows of the segment, asked before, beside, or waiting in the next slot, whether kept
  in a cache, as weights, on disk or with another worker: here those that are asked at all show
  nothing behind the cut before its answer is in;
- that a window is asked again: here nothing behind its cut was ever shown;
- from an earlier sandbox, of this seed or another: nothing outlives a sandbox but our evidence.

Who recognizes this sandbox, because little is asked, gains little by it: to agree, the answers
would have to hold what only the first one was shown. Its time is not charged, so a model could
think longer here, until it is as good as its look ahead was there; but then its answers differ by
more than rounding does, and their mean change, whatever its sign, is bounded too. Nor may a model
keep what requests of *earlier* segments showed: it was observed anyway, and answers that depend
on what was asked before, and how, differ here. The cost is at most that of all observing, once
more, and it is not charged: the wallclock that is judged is the first sandbox's.
"""

import hashlib
import itertools
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from harness.contest.track import Probes as ProbeSettings
from harness.evidence.results import TOLERATED_STANDARD_ERRORS, Probes
from harness.scoring.windows import Request, Round, WindowPlan

# Probabilities below this are ignored: there rounding alone moves a logarithm.
SMALLEST_PROBABILITY = 1e-4
# Stands for a probability that became zero, or was.
LARGEST_NATS = 1e3


@dataclass
class ProbeSet:
    """Targets to be asked twice, the answers of the first time, and how the second differed.

    ``windows`` int64[K], ascending: index of the window that scores each target. ``cuts`` int64[K]:
    the target's position there, the last one that keeps its past. ``futures`` int64[K]: where in
    the stream the window starts whose tokens follow instead. ``turns`` int64[K]: in which round of
    its segment each is asked.
    """

    plan: WindowPlan
    windows: npt.NDArray[np.int64]
    cuts: npt.NDArray[np.int64]
    futures: npt.NDArray[np.int64]
    _expected: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    _changes: list[tuple[float, float, float, float]] = field(default_factory=list)
    _largest: float = 0.0
    _worst_target: int = -1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.turns = self._turns()

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
        settings: ProbeSettings,
        vocabulary_size: int,
    ) -> "ProbeSet":
        """Choose targets and futures; a function of ``secret``, known to the harness alone.

        As many as the settings ask for; a target for which no other text is to be had, because
        nearly the whole stream is one token, is left out.
        """
        seed = int.from_bytes(hashlib.sha256(b"probes\0" + secret).digest(), "big")
        rng = np.random.default_rng(seed)
        count = settings.count(
            windows=len(plan), targets=plan.targets, vocabulary_size=vocabulary_size
        )
        targets = 1 + np.sort(rng.choice(plan.targets, count, replace=False)).astype(np.int64)
        starts, lengths, _, _ = plan.windows
        windows = np.searchsorted(starts + lengths, targets).astype(np.int64)
        cuts = targets - starts[windows] - 1
        futures = np.array(
            [
                _other_text(rng, tokens, target=int(target), cut=int(cut), length=int(length))
                for target, cut, length in zip(targets, cuts, lengths[windows], strict=True)
            ],
            np.int64,
        )
        good = futures >= 0
        return cls(plan, windows[good], cuts[good], futures[good])

    def _turns(self) -> npt.NDArray[np.int64]:
        """Each waits for the one before it, if any of its window is shown by that one's.

        That is enough: windows are in order, so whoever conflicts with an earlier one conflicts
        with all between.
        """
        starts, lengths, _, segments = (part[self.windows] for part in self.plan.windows)
        waits = (starts[1:] <= (starts + lengths)[:-1]) & (segments[1:] == segments[:-1])
        turns = np.zeros(len(self.windows), np.int64)
        for number in np.flatnonzero(waits) + 1:
            turns[number] = turns[number - 1] + 1
        return turns

    def among(self, request: Request) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows of a request that are probed, and each probe's number; a row may have several."""
        if request.probes is not None:
            return np.arange(len(request.probes)), request.probes
        begins = np.searchsorted(self.windows, request.windows)
        counts = np.searchsorted(self.windows, request.windows, side="right") - begins
        rows = np.repeat(np.arange(len(request.windows)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, np.repeat(begins, counts) + within

    def rounds(self, stream: npt.NDArray[np.uint16], *, windows_at_once: int) -> Iterator[Round]:
        """The windows again, with their altered suffixes, each when its segment's turn has come.

        What lies behind the last of them is not observed: nothing depends on it.
        """
        segments = self.plan.windows.segments[self.windows]
        last = int(segments.max(initial=0))
        bounds = np.searchsorted(segments, np.arange(last + 2))
        for segment, (begin, end) in enumerate(itertools.pairwise(bounds.tolist())):
            numbers = np.arange(begin, end)
            turns = self.turns[begin:end]
            final = int(turns.max(initial=0))
            for turn in range(final + 1):
                requests = self.requests(numbers[turns == turn], windows_at_once=windows_at_once)
                over = turn == final and segment < last
                yield Round(requests, self.plan.observed(segment, stream) if over else None)

    def requests(
        self, numbers: npt.NDArray[np.int64], *, windows_at_once: int
    ) -> Iterator[Request]:
        """Some probes int64[M] of one round, ascending, with their altered suffixes."""
        windows = self.windows[numbers]
        for request in self.plan.requests(windows, windows_at_once=windows_at_once):
            asked = numbers[np.searchsorted(windows, request.windows)]
            yield replace(request, cut=self.cuts[asked], future=self.futures[asked], probes=asked)

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
        """Compare the second answer with the first; arguments as of :meth:`keep`."""
        before, before_at_cut = self._expected[number]
        kept = int(self.cuts[number]) - request.first + 1
        change = (nats[:kept] - before[:kept]).clamp(-LARGEST_NATS, LARGEST_NATS).double()
        # At the cut the whole distribution is compared, because a leak may hide in any token.
        likely = torch.maximum(log_probabilities, before_at_cut) >= math.log(SMALLEST_PROBABILITY)
        at_cut = 0.0  # in a large vocabulary a flat answer has no likely token at all
        if bool(likely.any()):
            at_cut = float((log_probabilities - before_at_cut)[likely].abs().max())
        size = change.abs()
        averages = (
            *(float(change.mean()), float(change[-1])),
            *(float(size.mean()), float(size[-1])),
        )
        size[-1] = min(max(float(size[-1]), at_cut), LARGEST_NATS)
        worst = int(size.argmax())
        with self._lock:
            self._changes.append(averages)
            if float(size[worst]) > self._largest or self._worst_target < 0:
                self._largest = min(float(size[worst]), LARGEST_NATS)
                self._worst_target = int(request.targets[row, worst])

    def facts(self, *, segments_observed: int) -> Probes:
        """What the probes showed; the gain up to the cut or at it, whichever is less by chance."""
        changes = np.array(self._changes or [(0.0, 0.0, 0.0, 0.0)])
        means = changes.mean(axis=0)
        errors = changes.std(axis=0) / math.sqrt(len(changes))
        which = int((means - TOLERATED_STANDARD_ERRORS * errors)[:2].argmax())
        return Probes(
            probes=len(self._changes),
            largest_change_nats=self._largest,
            mean_change_nats=float(means[2:].max()),
            mean_gain_nats=float(means[which]),
            gain_error_nats=float(errors[which]),
            worst_target=self._worst_target,
            segments_observed=segments_observed,
        )


def _other_text(
    rng: np.random.Generator,
    tokens: npt.NDArray[np.uint16],
    *,
    target: int,
    cut: int,
    length: int,
) -> int:
    """Where a window starts that goes on with another token than ``target``'s; -1: nowhere found.

    Behind a cut at the end of its window nothing follows, and any place will do.
    """
    chosen = 0
    for _ in range(100):
        chosen = int(rng.integers(0, len(tokens)))
        if cut + 1 == length or tokens[(chosen + cut + 1) % len(tokens)] != tokens[target]:
            return chosen
    return -1
