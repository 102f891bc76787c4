"""What an entry may truly be: how good, how far its runs scatter, and who had a hand in that."""

import math
from dataclasses import dataclass

import numpy as np

from harness.simulation.batches import Floats

HOST_SHARE = 0.43
"""How far a host moves all runs made on it, in the field's deviations: 0.5 % of steps, at -0.048
BPB for each unit of log(steps)."""


@dataclass(frozen=True)
class World:
    """An entry as it truly is, BPB.

    Attributes:
        gain: how far the mean over all seeds lies below the bar.
        sd: standard deviation of runs on one host.
        degrees: the deviation is itself drawn, as ``sd`` times the root of degrees / chi-square;
            None: it is ``sd``.
        host_sd: how far a host moves all runs that are made on it.
        other_host: whether the confirmation is made on another host.
        fixed_share: share of the variance that a seed inside the script decides, the same in all
            runs, because the script ignores the one it is given.
        inner_seeds: so many such seeds were tried out in private, and the best was written into
            the script; it is known exactly which.
    """

    gain: float
    sd: float
    degrees: float | None = None
    host_sd: float = 0.0
    other_host: bool = True
    fixed_share: float = 0.0
    inner_seeds: int = 1

    def scores(
        self, count: int, *, runs: int, further: int, margin: float, drawn: np.random.Generator
    ) -> Floats:
        """Scores of ``count`` entries relative to the line: float64[count, runs + further]."""
        sd = np.full((count, 1), self.sd)
        if self.degrees is not None:
            sd *= np.sqrt(self.degrees / drawn.chisquare(self.degrees, (count, 1)))
        hosts = self.host_sd * drawn.standard_normal((count, 2))
        inner = math.sqrt(self.fixed_share) * self._best_inner(count, drawn)
        # The further runs last, so that rules with and without them see the same luck before.
        found: Floats = np.concatenate(
            [drawn.standard_normal((count, number)) for number in (runs, further)], axis=1
        )
        found *= math.sqrt(1 - self.fixed_share)
        found += inner
        found *= sd
        found[:, :runs] += hosts[:, :1]
        found[:, runs:] += hosts[:, 1:] if self.other_host else hosts[:, :1]
        found += margin - self.gain
        return found

    def _best_inner(self, count: int, drawn: np.random.Generator) -> Floats:
        """The lowest of ``inner_seeds`` normal draws for each entry: float64[count, 1]."""
        from scipy import special

        lowest = -np.expm1(np.log1p(-drawn.random((count, 1))) / self.inner_seeds)
        best: Floats = special.ndtri(lowest)
        return best
