"""How often entries of one kind are accepted, and what that costs: drawn, judged, counted."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.errors import InfrastructureError
from harness.simulation.batches import DecidedRows, Floats, decide_rows
from harness.simulation.procedure import Decided, Procedure, decide
from harness.simulation.worlds import World

SEED = 20_251_121
"""Of every simulation, so that all use the same luck and differ by what is asked alone."""
_AT_ONCE = 50_000
_JUDGED_AGAIN = 8
_FEWEST_RECORDS = 30


@dataclass(frozen=True)
class Chances:
    """Counted over ``entries`` draws; ``runs`` is the sum over all of them, confirmation included.

    ``accepted`` at a look, ``records`` confirmed too where the procedure asks for it.
    """

    entries: int
    accepted: int
    records: int
    runs: int

    @property
    def accepted_share(self) -> float:
        """Share that a look accepted."""
        return self.accepted / self.entries

    @property
    def share(self) -> float:
        """Share that became records."""
        return self.records / self.entries

    @property
    def error(self) -> float:
        """Standard error of :attr:`share`, at least that of a single case."""
        share = max(self.share, 1 / self.entries)
        return math.sqrt(share * (1 - share) / self.entries)

    @property
    def mean_runs(self) -> float:
        """Runs an entry."""
        return self.runs / self.entries

    def plus(self, other: "Chances") -> "Chances":
        """Both together."""
        return Chances(
            self.entries + other.entries,
            self.accepted + other.accepted,
            self.records + other.records,
            self.runs + other.runs,
        )


def chances(procedure: Procedure, world: World, *, entries: int, seed: int = SEED) -> Chances:
    """Draw so many entries and judge each.

    Raises:
        InfrastructureError: what decides many at once decides otherwise than what judges.
    """
    total = Chances(0, 0, 0, 0)
    for scores, record in _drawn(procedure, world, entries, seed):
        found = decide_rows(procedure, scores, record=record)
        _judge_again(procedure, scores, record, found)
        total = total.plus(
            Chances(
                len(scores),
                int(found.accepted.sum()),
                int(found.record.sum()),
                int(found.runs.sum()),
            )
        )
    return total


@dataclass(frozen=True)
class NewBar:
    """How far the score that a record would be published with lies below its true mean, BPB.

    ``selected``: the mean of the runs that were accepted; ``fresh``: that of the confirmation. Null
    where there are too few records to say.
    """

    records: int
    selected: float | None
    fresh: float | None


def new_bar(procedure: Procedure, world: World, *, entries: int, seed: int = SEED) -> NewBar:
    """What records of such entries would be published with, on average; needs a confirmation."""
    truth = procedure.margin - world.gain
    selected: list[float] = []
    fresh: list[float] = []
    for scores, record in _drawn(procedure, world, entries, seed):
        found = decide_rows(procedure, scores, record=record)
        for row in np.flatnonzero(found.record).tolist():
            looked = int(found.runs[row]) - procedure.confirmation
            selected.append(truth - float(scores[row, :looked].mean()))
            fresh.append(truth - float(scores[row, procedure.most_runs :].mean()))
    if len(selected) < _FEWEST_RECORDS:
        return NewBar(len(selected), None, None)
    return NewBar(len(selected), math.fsum(selected) / len(selected), math.fsum(fresh) / len(fresh))


def _drawn(
    procedure: Procedure, world: World, entries: int, seed: int
) -> Iterator[tuple[Floats, Floats]]:
    """Scores of entries, and those of the record that each is compared with, in batches."""
    for begin in range(0, entries, _AT_ONCE):
        count = min(_AT_ONCE, entries - begin)
        drawn = np.random.default_rng([seed, begin])
        scores = world.scores(
            count,
            runs=procedure.most_runs,
            further=procedure.confirmation,
            margin=procedure.margin,
            drawn=drawn,
        )
        record = world.sd * drawn.standard_normal((count, procedure.record_runs))
        if procedure.record_runs:
            # The bar is the mean that was published, so the line moves with the record's luck.
            luck = record.mean(axis=1, keepdims=True)
            scores -= luck
            record += procedure.margin - luck
        yield scores, record


def _judge_again(procedure: Procedure, scores: Floats, record: Floats, found: DecidedRows) -> None:
    """Some rows, of each outcome, by the functions that judge."""
    for kind in (found.record, found.accepted & ~found.record, ~found.accepted):
        for row in np.flatnonzero(kind)[:_JUDGED_AGAIN].tolist():
            expected = decide(procedure, scores[row].tolist(), record=record[row].tolist())
            fast = Decided(bool(found.accepted[row]), bool(found.record[row]), int(found.runs[row]))
            if fast != expected:
                raise InfrastructureError(
                    f"the simulation decides {fast}, the functions that judge {expected}",
                    remedy="report it: harness/simulation/batches.py is out of date",
                )
