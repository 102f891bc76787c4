"""Walking through the stream in many places at once, so that no place shows another's targets.

The stream is cut into sections at places that are drawn. Targets are drawn among those whose
window lies within their section, and each section is walked in order, one target a turn. So when
a target is asked, this sandbox has been shown, of its section, what lies before it, and of other
sections nothing that this one holds. Many sections keep batches and devices full.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.scoring.probes.drawing import Questionnaire, Questions, places_within
from harness.scoring.probes.walks.segments import asked_together
from harness.scoring.schedules.asking import Indices, Schedule, SharedTurns, Supplied
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.plan import Room

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


@dataclass(frozen=True)
class SectionWalk:
    """The walk through a stream that is scored as a whole."""

    plan: WindowPlan
    sections: Sections

    def may_be_asked(self, targets: Indices) -> npt.NDArray[np.bool_]:
        """Whether all that a target's window shows lies in the target's section."""
        windows = self.plan.windows
        return self.sections.hold(windows.starts[np.searchsorted(windows.lasts, targets)], targets)

    def turns(self, targets: Indices, windows: Indices) -> tuple[Indices, Indices]:
        """See :class:`harness.scoring.probes.drawing.Walk`: the next of each section in a turn."""
        return np.zeros_like(windows), places_within(self.sections.of(targets))

    def unchanged(self, rng: np.random.Generator, probes: Questions, *, count: int) -> Questions:
        """The last window of a section that shows no more than the target asked one turn earlier.

        And not the target of its own turn, where one is asked twice.
        """
        starts, ends = self.plan.windows.starts, self.plan.windows.lasts - 1
        targets = starts[probes.windows] + probes.cuts + 1
        own = self.sections.of(targets)
        after = np.flatnonzero(own[1:] == own[:-1]) + 1  # probes with one before, in their section
        most = np.minimum(targets[after - 1], targets[after] - 1)
        windows = np.searchsorted(ends, most, side="right") - 1
        good = windows >= 0
        good[good] = self.sections.of(starts[windows[good]]) == own[after[good]]
        windows, turns = windows[good].astype(np.int64), probes.turns[after[good]]
        chosen = np.sort(rng.permutation(len(windows))[:count])
        windows, turns = windows[chosen], turns[chosen]
        nothing = np.zeros_like(windows)
        return Questions(windows, nothing, nothing, nothing, turns)

    def schedule(self, asked: Questionnaire, *, room: Room, lanes: int) -> Schedule:
        """See :class:`harness.scoring.probes.drawing.Walk`."""
        return SharedTurns(
            Supplied(asks)
            for _, _, asks in asked_together(self.plan, asked, room=room, lanes=lanes)
        )
