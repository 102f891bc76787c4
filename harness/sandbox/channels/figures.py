"""The figures that the measuring ends in, and the mark that they are held against."""

from dataclasses import dataclass
from typing import Literal

from harness.contest.track import Track, load_track
from harness.models import Fact
from harness.statistics.channels import CLOSED_SHARE, bits_allowed, bits_for_known

State = Literal["closed", "open", "unknown", "not applicable"]
OFFICIAL = "10min_16mb"


@dataclass(frozen=True)
class Mark:
    """What the channels of one seed may carry together, and for how long a phase may send.

    ``margin_nats_per_token`` and ``targets`` are those of ``track``.
    """

    track: str
    margin_nats_per_token: float
    targets: int
    budget_seconds: float

    @property
    def allowed_bits(self) -> float:
        """All channels, the unknown ones too."""
        return bits_allowed(self.margin_nats_per_token, targets=self.targets)

    @property
    def known_bits(self) -> float:
        """The channels that are measured."""
        return bits_for_known(self.margin_nats_per_token, targets=self.targets)

    @property
    def closed_bits(self) -> float:
        """One channel, to be called closed."""
        return CLOSED_SHARE * self.known_bits


def mark_of(track: Track) -> Mark:
    """The mark of a track; of the official one where a track lacks a figure that it needs."""
    margin = track.significance.margin_nats_per_token
    tokens = track.dataset.validation_tokens
    seconds = track.budget.score_seconds
    if not margin or tokens is None or seconds is None:
        if track.name == OFFICIAL:
            raise ValueError(f"track {OFFICIAL} lacks margin, tokens or seconds")
        return mark_of(load_track(OFFICIAL))
    return Mark(track.name, margin, tokens - 1, seconds)


class ChannelFigures(Fact):
    """One channel as it was measured.

    ``bits_sent`` bits were tried and ``bits_received`` arrived right, which is half of them by
    guessing. ``capacity_*`` are bits that one bit sent carries, the bounds those of the error rate.
    ``bits_a_second`` follow from them and from the slower side's time. ``bits_a_phase_*`` are what
    a phase of the mark's seconds can send: at least, and at most. ``control_error_rate`` is that of
    a default container.
    """

    id: str
    what: str
    closes: str
    kind: str
    between_scoring_phases: bool
    state: State
    note: str
    bits_sent: int
    bits_received: int
    error_rate: float | None
    capacity_low: float
    capacity_high: float
    bits_a_second_low: float
    bits_a_second_high: float
    bits_a_phase_low: float
    bits_a_phase_high: float
    control_bits_sent: int
    control_error_rate: float | None
    control_open: bool | None


class ChannelReport(Fact):
    """All channels of one backend, and what is left over.

    ``residual_bits`` is the sum of the upper bounds of all channels between scoring phases;
    ``residual_nats_per_token`` and ``residual_bpb`` are the most that so many bits can buy.
    ``not_run`` are channels that need what this machine lacks. ``caches_dropped`` counts how often
    this machine's caches were dropped while the sandbox was measured, by it or by others;
    ``control_caches_dropped`` the same for the default container's caches, by
    others alone.
    """

    backend: str
    track: str
    margin_nats_per_token: float
    targets: int
    budget_seconds: float
    rounds: int
    doubt: float
    allowed_bits: float
    known_bits: float
    residual_bits: float
    residual_nats_per_token: float
    residual_bpb: float
    caches_dropped: int
    control_caches_dropped: int
    holds: bool
    open: tuple[str, ...]
    unknown: tuple[str, ...]
    not_run: tuple[str, ...]
    channels: tuple[ChannelFigures, ...]
