"""Which targets are asked again, with which suffix, and in which turn: drawn, never chosen.

Pure functions of a secret, the windows and the sections; :mod:`harness.scoring.probes.causality`
has the argument that they must hold up.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.scoring.probes.sections import Sections
from harness.scoring.windows import WindowPlan

Indices = npt.NDArray[np.int64]

UNCHANGED_SHARE = 1 / 8
"""Questions asked unchanged in the fresh sandbox, for each one with another suffix."""


class Questions(NamedTuple):
    """Windows int64[K] asked again, each cut after a position; suffixes as in ``Asked``.

    ``groups`` int64[K]: the segment of an adaptive model that the window belongs to, else 0.
    ``turns`` int64[K]: within its group, those of a turn are asked when all earlier ones are in.
    """

    windows: Indices
    cuts: Indices
    suffixes: Indices
    groups: Indices
    turns: Indices

    @classmethod
    def none(cls) -> "Questions":
        """No questions."""
        return cls(*(np.empty(0, np.int64) for _ in cls._fields))


def draw_targets(
    rng: np.random.Generator, plan: WindowPlan, sections: Sections, *, count: int
) -> Indices:
    """``count`` different targets that may be asked, each as likely as any other; not in order."""
    # Some more, in place of those that reach out of their section.
    some = min(plan.targets, 100 + 2 * count)
    drawn = 1 + rng.choice(plan.targets, some, replace=False).astype(np.int64)
    return drawn[may_be_asked(plan, sections, drawn)][:count]


def may_be_asked(plan: WindowPlan, sections: Sections, targets: Indices) -> npt.NDArray[np.bool_]:
    """bool[K]: whether all that a target's window shows lies in the target's section."""
    return sections.hold(plan.windows.starts[windows_of(plan, targets)], targets)


def windows_of(plan: WindowPlan, targets: Indices) -> Indices:
    """int64[K]: the window that scores each target."""
    starts, lengths, _, _ = plan.windows
    return np.searchsorted(starts + lengths, targets).astype(np.int64)


def questions_about(
    rng: np.random.Generator,
    plan: WindowPlan,
    text: npt.NDArray[np.uint16],
    sections: Sections,
    targets: Indices,
) -> Questions:
    """Questions about targets int64[K] that may be asked, in the order of the stream.

    One that is there twice is asked twice, in two turns. Where there is no ``text`` for suffixes,
    only those are left after which nothing follows in their window.
    """
    starts, lengths, _, segments = plan.windows
    targets = np.sort(targets)
    windows = windows_of(plan, targets)
    cuts = targets - starts[windows] - 1
    # Without a look at the target: a token that is never the target's would tell of it.
    suffixes = rng.integers(0, max(1, len(text)), len(targets))
    if not len(text):
        last = cuts + 1 == lengths[windows]
        targets, windows, cuts, suffixes = (p[last] for p in (targets, windows, cuts, suffixes))
    if plan.segment is None:
        return Questions(
            windows, cuts, suffixes, np.zeros_like(windows), _places(sections.of(targets))
        )
    groups = segments[windows]
    return Questions(windows, cuts, suffixes, groups, _waits(plan, windows))


def _places(sections: Indices) -> Indices:
    """int64[K]: the how manieth of its section each is, of ascending sections int64[K]."""
    _, first, counts = np.unique(sections, return_index=True, return_counts=True)
    return np.arange(len(sections)) - np.repeat(first, counts)


def _waits(plan: WindowPlan, windows: Indices) -> Indices:
    """Turns within a segment: each waits for the one before, if it shows what that one hides.

    That is enough: windows are in order, so whoever conflicts with an earlier one conflicts
    with all between.
    """
    starts, lengths, _, segments = (part[windows] for part in plan.windows)
    waits = (starts[1:] <= (starts + lengths)[:-1]) & (segments[1:] == segments[:-1])
    turns = np.zeros(len(windows), np.int64)
    for number in np.flatnonzero(waits) + 1:
        turns[number] = turns[number - 1] + 1
    return turns


def draw_unchanged(
    rng: np.random.Generator, plan: WindowPlan, probes: Questions, sections: Sections
) -> Questions:
    """Windows that are asked again as they were, when all that they show may be shown.

    In a stream that is scored as a whole: the last window of a section that shows no more than
    the target asked one turn earlier, and not that of its own turn, where one is asked twice. In
    segments: any window of a segment, after its last probe.
    """
    starts, lengths, firsts, segments = plan.windows
    ends = starts + lengths - 1  # the last token that is shown
    count = int(len(probes.windows) * UNCHANGED_SHARE)
    if plan.segment is None:
        targets = starts[probes.windows] + probes.cuts + 1
        own = sections.of(targets)
        after = np.flatnonzero(own[1:] == own[:-1]) + 1  # probes with one before, in their section
        most = np.minimum(targets[after - 1], targets[after] - 1)
        windows = np.searchsorted(ends, most, side="right") - 1
        good = windows >= 0
        good[good] = sections.of(starts[windows[good]]) == own[after[good]]
        windows, turns = windows[good], probes.turns[after[good]]
        chosen = np.sort(rng.permutation(len(windows))[:count])
        windows, turns = windows[chosen], turns[chosen]
        groups = np.zeros_like(windows)
    else:
        met, where = np.unique(probes.groups, return_inverse=True)
        if not len(met):
            return Questions.none()
        last = np.zeros(len(met), np.int64)
        np.maximum.at(last, where, probes.turns)
        begins = np.searchsorted(segments, met)
        counts = np.searchsorted(segments, met, side="right") - begins
        chosen = np.sort(rng.integers(0, len(met), count))
        windows = begins[chosen] + rng.integers(0, counts[chosen])
        groups, turns = met[chosen], last[chosen] + 1
    windows = windows.astype(np.int64)
    # One drawn target of those that it scores.
    cuts = rng.integers(firsts[windows], lengths[windows])
    return Questions(windows, cuts, np.zeros_like(windows), groups, turns)
