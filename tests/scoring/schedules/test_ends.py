"""Who reckons with all that he was sent, but for tokens, knows no better where a document ends.

Every world is played: each way in which a few documents can be long, with its probability. The
cheater knows how likely each length is, that the order is drawn, and, of his device, every request
and everything told, in order: shapes, rows, counts, ages, steps, studies. What he thinks of the
next target is exact: of the worlds that look the same so far, the share in which it is the BOS
that ends its document. The other one knows nothing but how far the document is. That much anybody
knows; so what the cheater gains on BOS targets is what the schedule tells of ends, in nats.

Behind the last document stands one of a BOS alone: so every target belongs to a document that ends
with a BOS, and lengths are independent.
"""

import itertools
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

import numpy as np
import pytest

from harness.scoring.schedules.asking import Ask, Indices, ObserveRows, Reset, Study, Tell
from harness.scoring.schedules.documents import DocumentPlan
from harness.scoring.schedules.plan import Room
from tests.scoring.schedules.test_documents import VOCABULARY, plan_of

DOCUMENTS = 4
LIKELY = {2: 0.4, 3: 0.25, 5: 0.2, 9: 0.15}
"""Tokens of a document, BOS included: as many as it has targets, its end's BOS being the last."""
SEGMENT = 2

World = tuple[int, ...]
Worlds = list[tuple[World, float]]
Change = Callable[[DocumentPlan], DocumentPlan]


def drawn_alone() -> Worlds:
    """Lengths of all documents in the order in which they are dealt: each is drawn by itself."""
    return [
        (world, math.prod(LIKELY[length] for length in world))
        for world in itertools.product(LIKELY, repeat=DOCUMENTS)
    ]


def known_split() -> Worlds:
    """The lengths are known, as those of a public split; only the order is drawn."""
    orders = sorted(set(itertools.permutations((2, 2, 3, 5, 9, 9))))
    return [(order, 1 / len(orders)) for order in orders]


class Devices(NamedTuple):
    """How many there are, rows of each, and when what is finished is studied."""

    lanes: int
    rows: int
    study_after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Target:
    """One target and what its device was sent until all requests of its step were there.

    ``before``: how many targets of its document come before it; ``ends``: it is the BOS.
    """

    asked: Hashable
    told: Hashable
    row: int
    before: int
    ends: bool


@dataclass
class Thoughts:
    """For everything that may be known: how likely it comes, and how likely with an end."""

    comes: dict[Hashable, float] = field(default_factory=lambda: defaultdict(float))
    ends: dict[Hashable, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, known: Hashable, target: Target, likely: float) -> None:
        """In a world as likely as that, this is known of a target."""
        self.comes[known] += likely
        self.ends[known] += likely * target.ends

    def of(self, known: Hashable) -> float:
        """How likely a target ends its document, for who knows that."""
        return self.ends[known] / self.comes[known]

    @property
    def nats(self) -> float:
        """What the knowledge whether they end costs, for all targets of a split, on average."""
        parts = ((self.ends[known], comes) for known, comes in self.comes.items())
        return sum(entropy(ends, comes - ends) for ends, comes in parts)


def entropy(*shares: float) -> float:
    """Nats, times the sum of the shares."""
    return -sum(share * math.log(share / sum(shares)) for share in shares if share > 1e-15)


@dataclass
class Minds:
    """What three think: one knows requests and what was told, one that alone, one the age."""

    all: Thoughts = field(default_factory=Thoughts)
    told: Thoughts = field(default_factory=Thoughts)
    age: Thoughts = field(default_factory=Thoughts)
    targets: list[Target] = field(default_factory=list)


def plan_for(world: World, devices: Devices) -> DocumentPlan:
    """The plan of one world, and behind it a BOS."""
    return plan_of(
        [*world, 1],
        segment=SEGMENT,
        sequence_length=6,
        rows=devices.rows,
        study_after=devices.study_after,
    )


def minds(worlds: Worlds, devices: Devices, change: Change = lambda plan: plan) -> Minds:
    """What is thought of every target of every world."""
    found = Minds()
    for world, likely in worlds:
        for target in targets_of(change(plan_for(world, devices)), devices.lanes):
            found.targets.append(target)
            found.all.add(everything(target), target, likely)
            found.told.add((target.told, target.row, target.before), target, likely)
            found.age.add(target.before, target, likely)
    return found


def everything(target: Target) -> Hashable:
    return target.asked, target.told, target.row, target.before


def targets_of(plan: DocumentPlan, lanes: int) -> Iterable[Target]:
    """Every target, as each device is asked for it."""
    schedule = plan.schedule(room=Room(tokens=64, vocabulary_size=VOCABULARY), lanes=lanes)
    for lane in range(lanes):
        asked: tuple[Hashable, ...] = ()
        told: tuple[Hashable, ...] = (lane,)
        for turn in schedule.turns(lane):
            asks = list(turn.asks)
            asked += tuple(shape_of(ask) for ask in asks)
            for ask in asks:
                yield from each(plan, ask, asked, told)
            told += (*map(sent, turn.tells), "so far" if asks else "")


def each(plan: DocumentPlan, ask: Ask, asked: Hashable, told: Hashable) -> Iterator[Target]:
    assert ask.rows is not None
    begins = np.searchsorted(plan.opened, ask.targets - 1, side="right") - 1
    before = ask.targets - 1 - plan.opened[begins]
    for window, position in zip(*np.nonzero(ask.wanted), strict=True):
        ends = bool(np.isin(ask.targets[window, position], plan.opened))
        row = int(ask.rows[window])
        yield Target(asked, told, row, int(before[window, position]), ends)


def shape_of(ask: Ask) -> Hashable:
    """All of a request that its worker is sent, but for tokens."""
    assert ask.rows is not None
    return ask.length, ask.positions, tuple(ask.firsts.tolist()), tuple(ask.rows.tolist())


def sent(tell: Tell) -> Hashable:
    """All of what is told, but for tokens: which rows, and how many tokens."""
    if isinstance(tell, ObserveRows):
        return "observe", tuple(tell.rows.tolist()), tuple(tell.counts.tolist())
    if isinstance(tell, Reset):
        return "reset", tuple(tell.rows.tolist())
    assert isinstance(tell, Study)
    return "study", tuple((tell.ends - tell.begins).tolist())


DEVICES = [Devices(1, 2), Devices(2, 1), Devices(1, 3), Devices(1, 2, (2,)), Devices(2, 1, (1, 2))]


@pytest.mark.parametrize("devices", DEVICES)
def test_all_that_was_sent_says_no_more_of_ends_than_how_far_a_document_is(
    devices: Devices,
) -> None:
    found = minds(drawn_alone(), devices)
    for target in found.targets:
        thought = found.all.of(everything(target))
        assert thought == pytest.approx(found.age.of(target.before), abs=1e-12)
    assert found.all.nats == pytest.approx(found.age.nats, abs=1e-9)
    assert found.age.nats > 1  # there is something to know


@pytest.mark.parametrize("devices", DEVICES)
def test_of_a_public_split_what_is_asked_says_no_more_than_what_was_told(devices: Devices) -> None:
    """Who knows all lengths reckons with those that have ended: that is his past."""
    found = minds(known_split(), devices)
    for target in found.targets:
        told = found.told.of((target.told, target.row, target.before))
        assert found.all.of(everything(target)) == pytest.approx(told, abs=1e-12)
    assert found.all.nats == pytest.approx(found.told.nats, abs=1e-9)
    assert found.told.nats < found.age.nats - 0.1


@pytest.mark.parametrize("orders", [2, 64])
def test_an_order_that_is_the_best_of_some_tells_of_all_ends_together_a_few_nats(
    orders: int,
) -> None:
    """Against who believes that every order is as likely: he is at most ``ln orders`` worse off."""
    drawn, devices = known_split(), Devices(1, 2)
    steps = [int(plan_for(world, devices).moves(lanes=1).steps.max()) for world, _ in drawn]
    at_least, above = (
        np.array([sum(low(other, own) for other in steps) / len(steps) for own in steps])
        for low in (operator.ge, operator.gt)
    )
    # The best of so many lies among those with so many steps; the first of these is taken.
    chosen = (at_least**orders - above**orders) / (at_least - above) / len(steps)
    assert chosen.sum() == pytest.approx(1)
    assert chosen.max() <= orders / len(steps)
    better = [(world, float(p)) for (world, _), p in zip(drawn, chosen, strict=True) if p > 0]
    knows, believes = minds(better, devices), minds(drawn, devices)
    pays = 0.0
    for known, comes in knows.all.comes.items():
        ends = knows.all.ends[known]
        guess = believes.all.of(known)
        for share, likely in ((ends, guess), (comes - ends, 1 - guess)):
            pays -= share * math.log(likely) if share > 1e-12 else 0.0
    assert 0 < pays - knows.all.nats <= math.log(orders)


class AsNeeded(DocumentPlan):
    """Windows that end with their text, the last piece's too."""

    def asks(
        self, pieces: Indices, rows: Indices, ages: Indices, *, room: Room
    ) -> Iterator[tuple[Ask, Indices]]:
        """See :class:`DocumentPlan`."""
        for ask, places in super().asks(pieces, rows, ages, room=room):
            yield replace(ask, length=int(ask.shown.max())), places


class WithoutOthers(DocumentPlan):
    """Rows whose document ends with this piece are asked in a request of their own."""

    def asks(
        self, pieces: Indices, rows: Indices, ages: Indices, *, room: Room
    ) -> Iterator[tuple[Ask, Indices]]:
        """See :class:`DocumentPlan`."""
        ends = (pieces >= 0) & (self.ages[pieces] + 1 == self.pieces[self.documents[pieces]])
        for some in (~ends, ends):
            places = np.flatnonzero(some)
            parts = (part[places] for part in (pieces, rows, ages))
            for ask, where in super().asks(*parts, room=room):
                yield ask, places[where]


def as_a(kind: type[DocumentPlan]) -> Change:
    def change(plan: DocumentPlan) -> DocumentPlan:
        return kind(**{each.name: getattr(plan, each.name) for each in fields(plan)})

    return change


def longest_first(plan: DocumentPlan) -> DocumentPlan:
    return replace(plan, order=np.argsort(-plan.pieces, kind="stable").astype(np.int64))


@pytest.mark.parametrize("change", [longest_first, as_a(AsNeeded), as_a(WithoutOthers)])
def test_a_schedule_that_tells_of_ends_is_seen(change: Change) -> None:
    found = minds(drawn_alone(), Devices(1, 2), change)
    assert found.all.nats < found.age.nats - 0.1
