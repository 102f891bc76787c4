"""Targets drawn after the scoring: likelier, the further they were scored below a plain model.

A look ahead that is hidden at a few targets must gain much at each of them. What it gained shows in
the score itself: such a target costs less than what a bigram model pays for it, by its *gap*. So
half of the questions are drawn uniformly before the scoring, and half after it, with a probability
proportional to ``gap = max(0, bigram's nats - scored nats)``. A target is then drawn ``N q = 1/2 +
gap / (2 mean gap)`` times as likely as uniformly, and ``d / (N q)`` takes the place of a change
``d``: its mean is that over all targets, whatever the gaps are.

What the cheater knows: all of this, the bigram (train data and split are public), and each of his
gaps, which he can make as he likes. What he does not know is the secret that the draw follows from.

- That he is asked says that the target is likelier a dear one. He can lean to dear targets, but
  then every question is answered by a model that leans so. It depends on the past alone, and
  ``d / (N q)`` says what it would score on all targets, asked or not: worse than one that does
  not lean. So no answer that does not look makes the mean smaller than the look gained.
- What he gains for the chance of being caught is ``d / (N q)``. Where the answer that does not look
  pays ``h`` and the bigram ``b``, that is largest at one of two ends: ``h / (1/2 + b / (2 mean
  gap))`` for a score of 0, and ``2 (h - b)`` for a score of ``b``, which leaves no gap. With a mean
  gap below 4 it exceeds 8 only where ``h > b + 4``.

So ``dearest_nats = 8`` says: no model is dearer than a bigram by more than four nats, but for so
few targets that they are worth nothing. It is an argument about models, not a proof. One that is
overconfident can be dearer (n-grams of order 6 without smoothing: the best cheater finds 26 on
source code). But then a mixture with 2 % of the bigram, which never pays more than ``b + 4``, is as
causal and has those nats honestly; beside it a look ahead there gains no more than 8. Of n-grams
mixed with 3 % of a bigram the best cheater finds 6.7 on source code, where uniform draws leave him
15; on English 6.5 and 19.9. ``tests/scoring/test_gaps.py`` looks for him.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.scoring.schedules.asking import Indices
from harness.statistics.probe_bounds import likelihoods

Floats = npt.NDArray[np.float64]
Costs = Callable[[Indices], Floats]
"""What the plain model pays for targets int64[K] by stream index: float64[K], in nats."""

CHUNK = 1 << 20
"""Targets whose gaps are reckoned at once: those of a whole split would double what is kept."""


@dataclass(frozen=True)
class Gaps:
    """The gaps of a scored split, reckoned where they are needed, from ``nats`` float32[N].

    Only targets that are ``held``, those that may be asked, have one. ``sums`` float64[C] are those
    of its chunks, ``among`` is how many targets are held. Where no target was scored below the
    plain model, all are as likely.
    """

    nats: npt.NDArray[np.float32]
    costs: Costs
    held: Callable[[Indices], npt.NDArray[np.bool_]]
    sums: Floats
    among: int

    @classmethod
    def measure(
        cls,
        nats: npt.NDArray[np.float32],
        costs: Costs,
        held: Callable[[Indices], npt.NDArray[np.bool_]],
    ) -> "Gaps":
        """Go through all of it once."""
        chunks = list(_chunks(len(nats)))
        sums, among = np.zeros(len(chunks)), 0
        for number, targets in enumerate(chunks):
            there = targets[held(targets)]
            sums[number] = np.maximum(0, costs(there) - nats[there]).sum()
            among += len(there)
        return cls(nats, costs, held, sums, among)

    @property
    def _mean(self) -> float:
        return float(self.sums.sum()) / max(1, self.among)

    def likelihoods(self, targets: Indices) -> Floats:
        """How much likelier than uniformly each of some targets int64[K] is drawn, in all."""
        if not self._mean:
            return np.ones(len(targets))
        return likelihoods(self._of(targets), mean_gap=self._mean)

    def draw(self, rng: np.random.Generator, count: int) -> Indices:
        """``count`` targets in order, with probability proportional to their gaps.

        One may come more than once; there is none where no target may be asked.
        """
        if not self.among:
            return np.empty(0, np.int64)
        sums = self.sums
        if not self._mean:
            sums = np.array([self.held(t).sum() for t in _chunks(len(self.nats))], np.float64)
        upto = np.cumsum(sums)
        places = np.sort(rng.random(count)) * upto[-1]
        # Rounding may put the last place behind all; it belongs to the last that has a gap.
        last = int(np.flatnonzero(sums)[-1])
        of_chunk = np.minimum(np.searchsorted(upto, places, side="right"), last)
        drawn = []
        for number, targets in enumerate(_chunks(len(self.nats))):
            within = places[of_chunk == number] - (upto[number] - sums[number])
            if len(within):
                drawn.append(self._at(targets, within))
        return np.concatenate(drawn) if drawn else np.empty(0, np.int64)

    def _at(self, targets: Indices, places: Floats) -> Indices:
        """The targets of a chunk at some places of its gaps, laid end to end."""
        there = targets[self.held(targets)]
        gaps = self._of(there) if self._mean else np.ones(len(there))
        upto = np.cumsum(gaps)
        last = int(np.flatnonzero(gaps)[-1])
        return there[np.minimum(np.searchsorted(upto, places, side="right"), last)]

    def _of(self, targets: Indices) -> Floats:
        return np.maximum(0, self.costs(targets) - self.nats[targets])


def _chunks(tokens: int) -> Iterator[Indices]:
    """All targets 1..N-1 of a stream, some at a time."""
    for begin in range(1, tokens, CHUNK):
        yield np.arange(begin, min(begin + CHUNK, tokens), dtype=np.int64)
