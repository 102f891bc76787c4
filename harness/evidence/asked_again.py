"""Results of asking a model again in a fresh sandbox: how its answers changed."""

from typing import Annotated, Literal

from pydantic import Field

from harness.evidence.pace import PaceAgain
from harness.models import Fact, Later
from harness.statistics.probe_bounds import Sample


class Changes(Fact):
    """How answers to questions that were asked twice differed, in nats: second less first.

    ``largest_nats`` is the largest difference whatever its sign; ``variance_error`` the standard
    error of the variance, in nats squared.

    Where some questions were likelier than others, ``mean_nats`` and ``sd_nats`` are of differences
    each divided by how much likelier, so that the mean is that of all targets; and
    ``sd_of_all_nats``, whose variance ``variance_error`` is then of, estimates the deviation over
    all targets.
    """

    count: int = Field(ge=0)
    mean_nats: float = 0.0
    sd_nats: float = Field(default=0.0, ge=0)
    variance_error: float = Field(default=0.0, ge=0)
    largest_nats: float = Field(default=0.0, ge=0)
    sd_of_all_nats: Later[Annotated[float, Field(ge=0)]] = None

    @property
    def sample(self) -> Sample:
        """The same as numbers alone, for the error of the mean."""
        return Sample(self.count, self.mean_nats, self.sd_nats, self.variance_error)

    @property
    def of_all(self) -> Sample:
        """The same, for how much answers vary over all targets."""
        sd = self.sd_nats if self.sd_of_all_nats is None else self.sd_of_all_nats
        return Sample(self.count, self.mean_nats, sd, self.variance_error)


class _AskedAgain(Fact):
    """What asking again cost: ``seconds`` of model time, of ``expected_seconds``.

    ``expected_seconds`` is what as many requests took while scoring. ``planned`` questions were to
    be asked; fewer were answered where the sandbox was stopped first. ``pace`` compares single
    requests, as far as they were answered; null where it was not measured.
    """

    planned: Later[int] = None
    seconds: Later[float] = None
    expected_seconds: Later[float] = None
    pace: Later[PaceAgain] = None


class Probes(_AskedAgain):
    """What causality probes showed: targets asked again in a fresh sandbox, with other suffixes.

    ``largest_change_nats`` is the largest change of a log-probability up to the cut, at stream
    index ``worst_target``. ``mean_gain_nats`` is how much cheaper targets were the first time, in
    the true text, on average: 0 but for rounding, give or take ``gain_error_nats``, its standard
    error. ``mean_change_nats`` is the mean of the same changes without their sign. An adaptive
    model observed ``segments_observed`` segments again.

    ``by_gap`` of those ``planned`` were drawn after the scoring, likelier the further the target
    was scored below what a bigram model pays for it; mean changes are corrected for that.

    ``changes`` are those at the cut. ``unchanged`` are those of questions that were asked again as
    they were, among the others; ``twice`` those of windows asked twice in one scoring request.
    Both are the noise that no suffix explains; only the latter is there without memory.
    """

    kind: Literal["probes"] = "probes"
    probes: int = Field(ge=0)
    largest_change_nats: float
    mean_gain_nats: float
    gain_error_nats: float = Field(default=0.0, ge=0)
    mean_change_nats: float = Field(default=0.0, ge=0)
    worst_target: int
    segments_observed: int = 0
    by_gap: Later[Annotated[int, Field(ge=0)]] = None
    changes: Later[Changes] = None
    unchanged: Later[Changes] = None
    twice: Later[Changes] = None

    @property
    def answered(self) -> int:
        """How many of ``planned`` were answered."""
        return self.probes


class Recall(_AskedAgain):
    """What whole windows showed that were asked again in another order, in a fresh sandbox.

    ``changes`` are the mean changes of each window's targets, or less of a window that holds fewer
    than others, so that their mean is that of all targets. ``largest_change_nats`` is the largest
    one of a target, at stream index ``worst_target``. ``of_windows`` is how many there are.
    """

    kind: Literal["recall"] = "recall"
    windows: int = Field(ge=0)
    of_windows: int = Field(ge=1)
    changes: Changes
    largest_change_nats: float = Field(ge=0)
    worst_target: int

    @property
    def answered(self) -> int:
        """How many of ``planned`` were answered."""
        return self.windows
