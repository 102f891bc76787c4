"""What a verdict says of the test: its figures, its looks, and what confirmed it."""

from typing import Literal

from pydantic import Field

from harness.models import Fact, Later
from harness.statistics.looks import DECIDED, Outcome
from harness.statistics.tests import Case as TestCase


class LookResult(Fact):
    """A look of the track after ``runs`` seeds, and what it saw; null where it was not reached.

    Accepted if ``p`` lies below ``accept_below``, else stopped as hopeless if the mean lies above
    ``hopeless_above_bpb``, which is the threshold and ``hopeless_above_sd`` of the field's
    deviations. The first one that decides is the last one that is reached.
    """

    runs: int = Field(ge=1)
    accept_below: float | None = None
    hopeless_above_sd: float | None = None
    hopeless_above_bpb: float | None = None
    mean_bpb: float | None = None
    p: float | None = None
    outcome: Outcome | None = None


class StatisticsResult(Fact):
    """One-sided test of the seeds' BPB against ``threshold_bpb``: a t-test of some kind.

    ``threshold_bpb`` is the bar less the margin; the margin is given per token in nats and
    converted with the track's dataset, of ``targets`` targets and ``text_bytes`` bytes. Figures
    that are not defined (fewer than two seeds, no bar) are null; ``case`` says which case it is.
    ``ci99_bpb`` is the two-sided 99 % confidence interval of the mean. ``seeds_for_power_90`` is
    how many seeds this distance and this spread would need to fall below ``p_below`` nine times in
    ten (of a plain test).

    ``p_below`` is the level of all looks together. Of the seeds, those up to the look that decides
    are tested, at its own ``level``; as long as none has decided, all that have a score. ``test``
    is moderated by ``field_sd_bpb``, which is worth ``field_degrees`` of freedom, or Welch's
    against ``record_bpb``, the record's own seeds. ``plain_p`` is that of the plain test, which
    counts where ``guarded``; ``tested_sd_bpb`` and ``degrees`` are what ``t`` was reckoned with.
    All of these are null where the plain test says the same. Without looks there was one, after
    all seeds.
    """

    case: TestCase
    n: int
    mean_bpb: float | None = None
    mean_nats_per_token: float | None = None
    sd_bpb: float | None = None
    t: float | None = None
    degrees_of_freedom: int | None = None
    p: float | None = None
    p_below: float | None = None
    ci99_bpb: tuple[float, float] | None = None
    bar_bpb: float | None = None
    bar_source: str = ""
    margin_nats_per_token: float | None = None
    margin_bpb: float | None = None
    threshold_bpb: float | None = None
    seeds_for_power_90: int | None = None
    significant: bool
    targets: int = Field(ge=1)
    text_bytes: int = Field(ge=1)
    test: Later[Literal["plain", "moderated", "welch"]] = None
    level: Later[float] = None
    plain_p: Later[float] = None
    tested_sd_bpb: Later[float] = None
    degrees: Later[float] = None
    guarded: Later[bool] = None
    field_sd_bpb: Later[float] = None
    field_degrees: Later[float] = None
    field_source: Later[str] = None
    record_bpb: Later[tuple[float, ...]] = None
    looks: Later[tuple[LookResult, ...]] = None

    @property
    def seen(self) -> LookResult | None:
        """The last look that was reached; it has decided if any has."""
        reached = [look for look in self.looks or () if look.outcome is not None]
        return reached[-1] if reached else None

    @property
    def asked_level(self) -> float | None:
        """What p must lie below: the level of the look that is asked, or of the whole."""
        return self.p_below if self.level is None else self.level

    @property
    def decided(self) -> bool:
        """Whether a look has decided, so that no further seed counts."""
        return self.seen is not None and self.seen.outcome in DECIDED

    @property
    def accepted(self) -> bool:
        """Whether a look has accepted."""
        return self.seen is not None and self.seen.outcome == "accepted"

    @property
    def runs_needed(self) -> int | None:
        """Seeds that the looks ask for by now: up to the one that decides, or to the next one."""
        if not self.looks:
            return None
        if self.seen is None or self.seen.outcome == "went on":
            return next(look.runs for look in self.looks if look.outcome is None)
        return self.seen.runs


class ConfirmationResult(Fact):
    """Further seeds, drawn with the others and run after the looks have accepted.

    Of ``runs`` that the track asks for, ``n`` have a score. ``mean_bpb`` and ``sd_bpb`` are of
    those alone and are what a record publishes; ``p`` is that of the test of all seeds together,
    those that were accepted among them. All three are null until every seed has its score.
    """

    runs: int = Field(ge=2)
    n: int = Field(ge=0)
    mean_bpb: float | None = None
    sd_bpb: float | None = None
    p: float | None = None
    p_below: float

    def confirms(self, threshold: float | None, *, worse_by_bpb: float = 0.0) -> bool:
        """Whether the fresh seeds alone, each worse by so much, lie below, and all show it."""
        if self.mean_bpb is None or self.p is None or threshold is None:
            return False
        return self.mean_bpb + worse_by_bpb < threshold and self.p < self.p_below


class SpendingResult(Fact):
    """How earlier tries of the same author against this bar lowered the level of the test.

    ``level`` is what all tries of ``account`` share; ``earlier`` of them were begun before.
    """

    account: str = Field(max_length=200)
    earlier: int = Field(ge=0)
    level: float = Field(gt=0, lt=0.5)
