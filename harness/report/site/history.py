"""How the record of a track fell: its steps, what each gained, and how sure that is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.contest.track import Track
from harness.ledger.events import Record
from harness.statistics.tests import Prior, TwoSample, difference, one_sample, welch


@dataclass(frozen=True)
class Course:
    """A track on one text: records of all its editions can be held against each other."""

    track: str
    dataset: str


@dataclass(frozen=True)
class Step:
    """A record that was lower than all before it on its course.

    ``before`` is the one that fell, None for the first. ``test`` is of their seeds' scores, this
    record's mean less the other's; None where no test says anything of so few. ``interval`` is the
    99 % one of this record's mean, BPB.
    """

    record: Record
    before: Record | None
    test: TwoSample | None
    interval: tuple[float, float] | None

    @property
    def gain_bpb(self) -> float | None:
        """By how much it is better than the one before."""
        return None if self.before is None else self.before.mean_bpb - self.record.mean_bpb


def course_of(record: Record) -> Course:
    """The course that a record is on."""
    return Course(record.track, record.dataset)


def history(
    records: Sequence[Record], *, prior_of: Callable[[Record], Prior | None]
) -> dict[Course, tuple[Step, ...]]:
    """The steps of every course, oldest first.

    Args:
        records: what stands, in order of date.
        prior_of: what the rules of a record know of the field's spread.
    """
    steps: dict[Course, list[Step]] = {}
    for record in records:
        course = steps.setdefault(course_of(record), [])
        before = course[-1].record if course else None
        if before is None or record.mean_bpb < before.mean_bpb:
            course.append(step_between(before, record, prior_of(record)))
    return {course: tuple(found) for course, found in steps.items()}


def step_between(before: Record | None, record: Record, prior: Prior | None) -> Step:
    """One step, with its test; the seed run is the unit."""
    test = None
    if before is not None and prior is not None:
        test = difference(before.scores, record.scores, prior=prior)
    elif before is not None:
        test = welch(before.scores, record.scores)
    interval = one_sample(record.scores, threshold=None, prior=prior).interval_99
    return Step(record, before, test, interval)


def prior_in(track: Track | None) -> Prior | None:
    """What a track knows of the field's spread; None of one that is not at hand, too."""
    if track is None:
        return None
    asked = track.significance
    if asked.field_sd_bpb is None or asked.field_degrees is None:
        return None
    return Prior(asked.field_sd_bpb, asked.field_degrees)
