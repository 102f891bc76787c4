"""Walking through the stream in many places at once, so that no place shows another's targets.

The stream is cut into sections at places that are drawn. Targets are drawn among those whose
window lies within their section, and each section is walked in order, one target a turn. So when
a target is asked, this sandbox has been shown, of its section, what lies before it, and of other
sections nothing that this one holds. Many sections keep batches and devices full.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_SECTIONS = 256
SPENT = 0.01
"""The share of targets that may fall out because their window reaches into the section before."""
FEWEST_SECTIONS = 8
"""Even of a short stream, as long as no more than a quarter of the targets falls out."""


@dataclass(frozen=True)
class Sections:
    """``begins`` int64[S], ascending: the first stream index of each section, 0 of the first."""

    begins: npt.NDArray[np.int64]

    @classmethod
    def draw(cls, rng: np.random.Generator, *, tokens: int, length: int) -> "Sections":
        """Cut a stream of ``tokens`` for windows of ``length``, at drawn places.

        Each target falls out with the same probability, whatever the windows are, but for how
        many tokens of context it has: at most :data:`SPENT` of them in a long stream.
        """
        count = min(FEWEST_SECTIONS, int(tokens / 4 / length))
        count = min(MOST_SECTIONS, max(count, int(SPENT * tokens / length)))
        if count < 1:
            return cls(np.zeros(1, np.int64))
        size = tokens / count
        cuts = np.floor(rng.random() * size + size * np.arange(count)).astype(np.int64)
        return cls(np.unique([0, *cuts]))

    def of(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """int64[K]: the section of each stream index."""
        return np.searchsorted(self.begins, index, side="right") - 1

    def hold(
        self, starts: npt.NDArray[np.int64], targets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """bool[K]: whether all that a target's window shows lies in the target's section."""
        held: npt.NDArray[np.bool_] = self.of(starts) == self.of(targets)
        return held
