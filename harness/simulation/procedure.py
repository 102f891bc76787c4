"""All that decides over an entry's scores, as a function of the scores alone.

Scores are in BPB relative to the *line*, the bar less the margin: below 0 is good. ``decide`` calls
the functions that judge real entries; nothing is reckoned here but what they are asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, NamedTuple

from harness.contest.significance import Significance
from harness.errors import UsageError
from harness.statistics.looks import Look, follow, spent
from harness.statistics.tests import Prior, one_sample, welch

Kind = Literal["plain", "moderated", "welch"]


@dataclass(frozen=True)
class Procedure:
    """Looks, and the confirmation after them.

    Attributes:
        looks: what is asked after so many runs; ``hopeless_above`` is relative to the line.
        p_below: all runs together, those of the confirmation too, must lie below.
        margin: BPB between the bar and the line.
        kind: the test.
        prior: what is known of the field's deviation, for a moderated test.
        confirmation: further runs after acceptance; 0 for none.
        record_runs: runs of the record that Welch's test compares with.
    """

    looks: tuple[Look, ...]
    p_below: float
    margin: float
    kind: Kind = "plain"
    prior: Prior | None = None
    confirmation: int = 0
    record_runs: int = 0

    @property
    def most_runs(self) -> int:
        """Runs until the last look, without the confirmation."""
        return self.looks[-1].runs

    def at_try(self, number: int) -> "Procedure":
        """The same for try ``number`` (from 1) of one author, where the level is spent on all."""
        share = spent(1.0, earlier=number - 1)
        looks = tuple(
            look._replace(accept_below=look.accept_below * share)
            if look.accept_below is not None
            else look
            for look in self.looks
        )
        return replace(self, looks=looks, p_below=self.p_below * share)


class Decided(NamedTuple):
    """``accepted`` at a look; ``record``: confirmed too, where that is asked; ``runs`` of both."""

    accepted: bool
    record: bool
    runs: int


def procedure_of(significance: Significance, *, margin_bpb: float, number: int = 1) -> Procedure:
    """What a track asks for, with its margin in BPB of its own dataset.

    ``number``: of the author's try, from 1, where the track spends its level on all of them.

    Raises:
        UsageError: it asks for no test.
    """
    asked = significance
    if asked.p_below is None:
        raise UsageError("the track has no bar to beat, so nothing is tested")
    sd, degrees = asked.field_sd_bpb, asked.field_degrees
    looks = tuple(
        Look(
            look.runs,
            look.accept_below,
            look.hopeless_above(0.0, field_sd_bpb=sd),
        )
        for look in asked.schedule
    )
    moderated = asked.test == "moderated" and sd is not None and degrees is not None
    made = Procedure(
        looks=looks,
        p_below=asked.p_below,
        margin=margin_bpb,
        kind=asked.test or "plain",
        prior=Prior(sd or 0.0, degrees or 0.0) if moderated else None,
        confirmation=asked.confirmation or 0,
        record_runs=asked.fewest_runs if asked.test == "welch" else 0,
    )
    return made.at_try(number) if asked.spending else made


def decide(
    procedure: Procedure, scores: Sequence[float], *, record: Sequence[float] = ()
) -> Decided:
    """Follow one entry's scores to its end.

    Args:
        procedure: the rules.
        scores: those of all runs that may be asked for, relative to the line; the last
            ``confirmation`` ones are the further runs.
        record: the record's own, relative to the same line, for Welch's test. The bar is their
            mean, so their mean lies ``margin`` above the line.
    """

    def p_of(values: Sequence[float]) -> float | None:
        if procedure.kind == "welch":
            found = welch(record, values, shift=-procedure.margin)
            return None if found is None else found.p_below
        return one_sample(values, threshold=0.0, prior=procedure.prior).p

    looked, fresh = scores[: procedure.most_runs], scores[procedure.most_runs :]
    end = follow(looked, procedure.looks, p_of=p_of)[-1]
    runs = end.look.runs
    if end.outcome != "accepted" or not procedure.confirmation:
        accepted = end.outcome == "accepted"
        return Decided(accepted, accepted, runs)
    together = p_of([*looked[:runs], *fresh])
    confirmed = fmean(fresh) < 0 and together is not None and together < procedure.p_below
    return Decided(True, confirmed, runs + procedure.confirmation)
