"""Which targets are asked again and with which suffix: drawn, never chosen.

Pure functions of a secret, the windows and the walk; :mod:`harness.scoring.probes.causality` has
the argument that they must hold up, and :mod:`harness.scoring.probes.walks` when what is asked.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from harness.scoring.schedules.asking import Ask, Filler, Indices, Schedule, Tokens
from harness.scoring.schedules.documents import DocumentPlan
from harness.scoring.schedules.plan import Plan, Room

UNCHANGED_SHARE = 1 / 8
"""Questions asked unchanged in the fresh sandbox, for each one with another suffix."""


class Questions(NamedTuple):
    """Windows int64[K] asked again, each cut after a position; what follows is text from a place.

    ``groups`` int64[K]: what is learned lies between two of them. ``turns`` int64[K]: within its
    group, those of a turn are asked when all earlier ones are in.
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


@dataclass(frozen=True)
class Questionnaire:
    """All questions: ``planned`` ones with another suffix out of ``text``, then unchanged ones."""

    questions: Questions
    planned: int
    text: Tokens

    def __len__(self) -> int:
        """How many questions there are."""
        return len(self.questions.windows)

    def put(self, ask: Ask, numbers: Indices) -> Ask:
        """Windows as questions of some numbers int64[B]."""
        altered = numbers < self.planned
        return replace(
            ask,
            questions=numbers,
            shown=np.where(altered, self.questions.cuts[numbers] + 1, ask.shown),
            filler=Filler(self.text, self.questions.suffixes[numbers]),
        )


class Walk(Protocol):
    """In which order a stream is asked again, so that nothing shows a target before its turn."""

    def may_be_asked(self, targets: Indices) -> npt.NDArray[np.bool_]:
        """bool[K]: which targets can be asked at all."""

    def turns(self, targets: Indices, windows: Indices) -> tuple[Indices, Indices]:
        """Groups and turns, both int64[K], of ascending targets in their windows."""

    def unchanged(self, rng: np.random.Generator, probes: Questions, *, count: int) -> Questions:
        """About ``count`` windows asked again as they were, when all that they show may be shown.

        ``probes`` are in the order of their targets. Cuts and suffixes are still to be drawn.
        """

    def schedule(self, asked: Questionnaire, *, room: Room, lanes: int) -> Schedule:
        """All questions, each when its turn has come."""


def draw_targets(rng: np.random.Generator, plan: Plan, walk: Walk, *, count: int) -> Indices:
    """``count`` different targets that may be asked, each as likely as any other; not in order."""
    # Some more, in place of those that may not be asked.
    some = min(plan.targets, 100 + 2 * count)
    drawn = 1 + rng.choice(plan.targets, some, replace=False).astype(np.int64)
    return drawn[walk.may_be_asked(drawn)][:count]


def windows_of(plan: Plan, targets: Indices) -> Indices:
    """int64[K]: the window that scores each target."""
    return np.searchsorted(plan.windows.lasts, targets).astype(np.int64)


def questions_about(
    rng: np.random.Generator, plan: Plan, text: Tokens, walk: Walk, targets: Indices
) -> Questions:
    """Questions about targets int64[K] that may be asked, in the order of the stream.

    One that is there twice is asked twice, in two turns. Where there is no ``text`` for suffixes,
    only those are left after which nothing follows in their window.
    """
    starts, lengths, _, _, _ = plan.windows
    targets = np.sort(targets)
    windows = windows_of(plan, targets)
    cuts = targets - starts[windows] - 1
    # Without a look at the target: a token that is never the target's would tell of it.
    suffixes = rng.integers(0, max(1, len(text)), len(targets))
    if not len(text):
        last = cuts + 1 == lengths[windows]
        targets, windows, cuts, suffixes = (p[last] for p in (targets, windows, cuts, suffixes))
    groups, turns = walk.turns(targets, windows)
    return Questions(windows, cuts, suffixes, groups, turns)


def draw_unchanged(
    rng: np.random.Generator, plan: Plan, text: Tokens, probes: Questions, walk: Walk
) -> Questions:
    """Windows that are asked again as they were, some for each of the ``probes``."""
    if not len(probes.windows):
        return Questions.none()
    drawn = walk.unchanged(rng, probes, count=int(len(probes.windows) * UNCHANGED_SHARE))
    firsts, counts = plan.windows.firsts[drawn.windows], plan.windows.counts[drawn.windows]
    # One drawn target of those that it scores.
    cuts = rng.integers(firsts, firsts + counts)
    # Where other text stands behind a window's targets, its place tells nothing.
    suffixes = rng.integers(0, max(1, len(text)), len(cuts))
    return drawn._replace(cuts=cuts, suffixes=suffixes)


def divisors(plan: Plan, counts: Indices) -> npt.NDArray[np.float64]:
    """float64[B]: what sums over windows of ``counts`` int64[B] targets are divided by.

    The mean over windows then is that over targets. Those of one stream have as many, all but its
    first and last; a document's last piece has few, and would count as much as any.
    """
    if isinstance(plan, DocumentPlan):
        return np.full(len(counts), plan.targets / len(plan))
    return counts.astype(np.float64)


def places_within(groups: Indices) -> Indices:
    """int64[K]: the how manieth of its group each is, of ascending groups int64[K]."""
    _, _, counts = np.unique(groups, return_index=True, return_counts=True)
    return np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
