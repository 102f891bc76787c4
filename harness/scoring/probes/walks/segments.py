"""Walking through a stream that a model observes segment by segment.

It is shown what it observed while scoring, in the same order. Between two segments the targets of
the later one are asked: each waits for those before, if it shows what one of them hides.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.scoring.probes.drawing import Questionnaire, Questions
from harness.scoring.schedules.asking import Ask, Indices, Schedule, SharedTurns, Supplied
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.plan import Room


@dataclass(frozen=True)
class SegmentWalk:
    """The walk through a stream in segments; a group is a segment."""

    plan: WindowPlan

    def may_be_asked(self, targets: Indices) -> npt.NDArray[np.bool_]:
        """Any may: what its window shows was observed, or is asked later."""
        return np.ones(len(targets), np.bool_)

    def turns(self, targets: Indices, windows: Indices) -> tuple[Indices, Indices]:
        """See :class:`harness.scoring.probes.drawing.Walk`.

        Each waits for the one before. That is enough: windows are in order, so whoever conflicts
        with an earlier one conflicts with all between.
        """
        starts, lengths, _, _, segments = (part[windows] for part in self.plan.windows)
        waits = (starts[1:] <= (starts + lengths)[:-1]) & (segments[1:] == segments[:-1])
        turns = np.zeros(len(windows), np.int64)
        for number in np.flatnonzero(waits) + 1:
            turns[number] = turns[number - 1] + 1
        return segments, turns

    def unchanged(self, rng: np.random.Generator, probes: Questions, *, count: int) -> Questions:
        """Any window of a segment, after its last probe."""
        segments = self.plan.windows.groups
        met, where = np.unique(probes.groups, return_inverse=True)
        last = np.zeros(len(met), np.int64)
        np.maximum.at(last, where, probes.turns)
        begins = np.searchsorted(segments, met)
        counts = np.searchsorted(segments, met, side="right") - begins
        chosen = np.sort(rng.integers(0, len(met), count))
        windows = (begins[chosen] + rng.integers(0, counts[chosen])).astype(np.int64)
        nothing = np.zeros_like(windows)
        return Questions(windows, nothing, nothing, met[chosen], last[chosen] + 1)

    def schedule(self, asked: Questionnaire, *, room: Room, lanes: int) -> Schedule:
        """See :class:`harness.scoring.probes.drawing.Walk`.

        What comes after the last question is not observed: nothing depends on it.
        """

        def turns() -> Iterator[Supplied]:
            for segment, over, asks in asked_together(self.plan, asked, room=room, lanes=lanes):
                yield Supplied(asks, (self.plan.observed(segment),) if over else ())

        return SharedTurns(turns())


def asked_together(
    plan: WindowPlan, asked: Questionnaire, *, room: Room, lanes: int
) -> Iterator[tuple[int, bool, Iterator[Ask]]]:
    """The asks of each group and turn in order, and whether the group, not the last, ends then."""
    groups, turns = asked.questions.groups, asked.questions.turns
    order = np.lexsort((turns, groups))
    last = int(groups.max(initial=0))
    bounds = np.searchsorted(groups[order], np.arange(last + 2))
    for group, (begin, end) in enumerate(itertools.pairwise(bounds.tolist())):
        numbers = order[begin:end]
        final = int(turns[numbers].max(initial=0))
        edges = np.searchsorted(turns[numbers], np.arange(final + 2))
        for turn, (low, high) in enumerate(itertools.pairwise(edges.tolist())):
            share = max(1, -(-(high - low) // lanes))
            asks = _asks(plan, asked, numbers[low:high], room=room, share=share)
            yield group, turn == final and group < last, asks


def _asks(
    plan: WindowPlan, asked: Questionnaire, numbers: Indices, *, room: Room, share: int
) -> Iterator[Ask]:
    windows = asked.questions.windows[numbers]
    for ask, places in plan.placed(windows, room=room, share=share):
        yield asked.put(ask, numbers[places])
