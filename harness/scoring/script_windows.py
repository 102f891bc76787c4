"""The windows by which a script in upstream's layout scores itself, to compare its loss with ours.

Scripts differ in two places: which targets of the first window count, and what becomes of those
behind the last whole one. Some targets may count twice, and some never. Nothing is judged by these
windows; entries are scored by our own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from harness.contest.bridge import Windows as Rule
from harness.scoring.schedules.asking import Ask, Observe, Schedule, SharedTurns, Supplied
from harness.scoring.schedules.plan import Room, Slot, Windows

Tail = Literal["scored", "dropped", "repeated", "cut"]
TAILS: tuple[Tail, ...] = ("scored", "dropped", "repeated", "cut")


@dataclass(frozen=True)
class ScriptWindows:
    """All windows over a stream of ``tokens`` tokens, one every ``stride`` tokens.

    A window shows at most ``context`` tokens, fewer at the end of the stream. It counts its last
    ``stride`` targets; the first one counts ``all`` of them, or no more than that (``tail``).
    ``tail`` says which windows there are besides the whole ones: none (``dropped``), and not even
    the one that ends with the stream (``cut``); those that
    reach behind the window before them, for just these targets (``scored``); or one at every
    multiple of the stride, each of which counts its last ``stride`` targets, though others have
    counted them (``repeated``). With a ``segment``, windows are in the group of the segment that
    their first target is in, and what a segment holds is told when its windows were asked.
    """

    tokens: int
    context: int
    stride: int
    first: Literal["all", "tail"] = "all"
    tail: Tail = "dropped"
    segment: int | None = None

    def __post_init__(self) -> None:
        if self.segment is None:
            return
        apart = [each % self.stride for each in (self.segment, self.context, self.tokens - 1)]
        if any(apart) or self.segment < self.context:
            raise ValueError(
                f"expected a segment of at least {self.context}, and segment, context and targets "
                f"to be multiples of {self.stride}, found {self.segment}, {self.context}, "
                f"{self.tokens - 1}"
            )

    @classmethod
    def of(cls, rule: Rule, *, tokens: int) -> Self:
        """The windows of a bridge over so many tokens."""
        return cls(tokens, rule.context, rule.stride, rule.first, rule.tail)

    @classmethod
    def driven(cls, rule: Rule, *, tokens: int, segment: int) -> Self:
        """All windows that a loop may have which is driven by segments."""
        return cls(tokens, rule.context, rule.stride, rule.first, "repeated", segment)

    def others(self) -> dict[str, "ScriptWindows"]:
        """Other rules that a bridge could have named, by what is another in them.

        Only those are here by which other windows are asked, or other targets count, in a stream of
        this length. Where a model's loss is the same by one of them, that loss proves nothing of
        this part of the rule.
        """
        half = max(self.context // 2, 1)
        changed = {
            f"a context of {half:,}": replace(
                self, context=half, stride=min(self.stride, half), segment=None
            ),
            f"a stride of {self._other_stride:,}": replace(
                self, stride=self._other_stride, segment=None
            ),
            "the first window's tail alone"
            if self.first == "all"
            else "all of the first window": replace(
                self, first="tail" if self.first == "all" else "all", segment=None
            ),
            **{
                f"a tail that is {tail}": replace(self, tail=tail, segment=None)
                for tail in TAILS
                if tail != self.tail
            },
        }
        own = self._counted
        return {
            name: rule for name, rule in changed.items() if rule.targets and rule._counted != own
        }

    @property
    def _other_stride(self) -> int:
        return self.context if self.stride < self.context else max(self.context // 2, 1)

    @property
    def _counted(self) -> list[tuple[int, int, int]]:
        starts, lengths, firsts, *_ = self.windows
        return list(zip(starts.tolist(), lengths.tolist(), firsts.tolist(), strict=True))

    @property
    def targets(self) -> int:
        """How many targets count, those that count twice twice."""
        return int(self.windows.counts.sum())

    @cached_property
    def whole(self) -> npt.NDArray[np.bool_]:
        """bool[W]: which windows are as long as the context."""
        whole: npt.NDArray[np.bool_] = self.windows.lengths == self.context
        return whole

    @cached_property
    def windows(self) -> Windows:
        """All windows in order."""
        targets, context, stride = self.tokens - 1, self.context, self.stride
        starts = np.arange(0, max(targets, 0), stride, dtype=np.int64)
        ends = np.minimum(starts + context, targets)
        lengths = ends - starts
        # How many targets in front of a window's own it shows as context alone.
        if self.tail == "repeated":
            firsts = np.maximum(lengths - stride, 0)
        else:
            firsts = np.full(len(starts), context - stride, np.int64)
        if self.first == "all":
            firsts[:1] = 0
        if self.tail == "cut":
            there = starts < targets - context
        else:
            there = lengths == context if self.tail == "dropped" else lengths > firsts
        starts, lengths, firsts = starts[there], lengths[there], firsts[there]
        groups = (starts + firsts) // (self.segment or self.tokens)
        return Windows(starts, lengths, firsts, lengths - firsts, groups)

    def losses(self, sums: npt.NDArray[np.float64]) -> list[float]:
        """The mean cost of what counts, of the sums float64[W] over the windows in nats.

        There are two of a loop: whether it counts windows that are not whole is its own matter.
        """
        counted = [np.ones_like(self.whole)] + ([] if self.segment is None else [self.whole])
        counts = self.windows.counts
        return [math.fsum(sums[of]) / int(counts[of].sum()) for of in counted]

    def slot(self, room: Room) -> Slot:
        """The most that one request holds."""
        positions = self._at_once(room) * self.context
        return Slot(tokens=max(positions, self.segment or 0), positions=positions)

    def schedule(self, room: Room) -> Schedule:
        """All windows, asked once."""
        return SharedTurns(self._turns(room))

    def _turns(self, room: Room) -> Iterator[Supplied]:
        if self.segment is None:
            yield Supplied(self._asks(room, 0))
            return
        for group, begin in enumerate(range(1, self.tokens, self.segment)):
            told = Observe(begin, min(begin + self.segment, self.tokens))
            yield Supplied(self._asks(room, group), (told,))

    def _at_once(self, room: Room) -> int:
        return room.windows(length=self.context, positions=self.context)

    def _asks(self, room: Room, group_number: int) -> Iterator[Ask]:
        chosen = np.flatnonzero(self.windows.groups == group_number)
        return (ask for ask, _ in self.windows.asked(chosen, at_once=self._at_once(room)))


@dataclass(frozen=True)
class Together:
    """Windows of several rules over one stream, each window asked once, however many have it."""

    rules: Sequence[ScriptWindows]

    @cached_property
    def windows(self) -> Windows:
        """All windows, without those that were there before."""
        return Windows(*(np.ascontiguousarray(part) for part in self._distinct[0]))

    def losses(self, sums: npt.NDArray[np.float64]) -> list[float]:
        """The mean cost by each rule, of the sums float64[W] over the windows in nats."""
        found = []
        for rule, places in zip(self.rules, self._distinct[1], strict=True):
            found.append(math.fsum(sums[places]) / rule.targets)
        return found

    def slot(self, room: Room) -> Slot:
        """The most that one request holds."""
        slots = [rule.slot(room) for rule in self.rules]
        return Slot(max(slot.tokens for slot in slots), max(slot.positions for slot in slots))

    def schedule(self, room: Room) -> Schedule:
        """All windows, asked once."""
        longest = max(rule.context for rule in self.rules)
        at_once = room.windows(length=longest, positions=longest)
        chosen = np.arange(len(self.windows.starts))
        asks = (ask for ask, _ in self.windows.asked(chosen, at_once=at_once))
        return SharedTurns(iter([Supplied(asks)]))

    @cached_property
    def _distinct(self) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.intp]]]:
        """int64[5, W], and the places of each rule's windows in it."""
        every = np.concatenate([np.stack(rule.windows) for rule in self.rules], axis=1)
        every[4] = 0
        kept, places = np.unique(every, axis=1, return_inverse=True)
        ends = np.cumsum([len(rule.windows.starts) for rule in self.rules])[:-1]
        return kept, np.split(places.reshape(-1), ends)
