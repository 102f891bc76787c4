"""What a contest's rules will do to entries of a known gain: for a maintainer before a contest, and
for a submitter before a verification.
"""

from dataclasses import replace

from pydantic import Field

from harness.contest.track import Track
from harness.errors import UsageError
from harness.models import Fact
from harness.simulation.chances import Chances, chances
from harness.simulation.procedure import Procedure, procedure_of
from harness.simulation.worlds import HOST_SHARE, World
from harness.statistics.units import nats_per_token_to_bpb

ENTRIES = 20_000
MULTIPLES = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
"""Deviations of which the errors are told, in deviations of the field."""
_POINTS = 41


class Size(Fact):
    """Targets and bytes of a validation text, which turn nats a token into BPB."""

    targets: int = Field(gt=0)
    text_bytes: int = Field(gt=0)
    source: str

    def bpb(self, nats: float) -> float:
        """So many nats a token in BPB."""
        return nats_per_token_to_bpb(nats, tokens=self.targets, text_bytes=self.text_bytes)


class AtGain(Fact):
    """What becomes of entries with a gain.

    Shares of all such entries: ``accepted`` at a look, ``record`` confirmed too, each with the
    standard error of the simulation. ``hours`` are accelerator hours of one entry's runs at their
    whole budgets; null where the track has none.
    """

    gain_nats: float
    gain_bpb: float
    accepted: float
    record: float
    error: float
    mean_runs: float
    hours: float | None


class AtDeviation(Fact):
    """How often entries with too little gain become records, if their runs scatter so far.

    ``multiple`` is in the deviations that were asked for; null where the deviation itself is drawn
    as the field's are. Shares: without gain, with half the margin, with exactly the margin.
    """

    multiple: float | None
    sd_bpb: float
    without_gain: float
    half_margin: float
    whole_margin: float
    error: float


class LookAt(Fact):
    """A look: the level of its test, and how far above the line (BPB) a mean is hopeless."""

    runs: int
    accept_below: float | None
    hopeless_above_bpb: float | None


class PowerReport(Fact):
    """The chances on one track; every figure comes from ``entries`` drawn entries.

    ``sd_drawn``: the deviation of each entry's runs is drawn as the field's are, about ``sd_bpb``.
    ``host_sd_bpb`` is how far a host moves all runs that are made on it; the confirmation is made
    on another. ``curve`` holds pairs of a gain in nats and the share that becomes a record.
    """

    track: str
    edition: str
    track_digest: str
    test: str
    looks: tuple[LookAt, ...]
    confirmation: int
    p_below: float
    margin_nats: float
    margin_bpb: float
    size: Size
    sd_bpb: float
    sd_drawn: bool
    sd_source: str
    host_sd_bpb: float
    accelerators: int
    hours_a_run: float | None
    entries: int
    gains: tuple[AtGain, ...]
    deviations: tuple[AtDeviation, ...]
    curve: tuple[tuple[float, float], ...]


def power_report(
    track: Track,
    size: Size,
    *,
    gains: tuple[float, ...] = (),
    sd_bpb: float | None = None,
    number: int = 1,
    entries: int = ENTRIES,
) -> PowerReport:
    """Draw and judge entries of several gains and deviations.

    Args:
        track: the rules.
        size: of the track's validation text.
        gains: nats a token; unless given, 0 and a half, one, one and a half and two margins.
        sd_bpb: deviation of the runs; unless given, the field's, where the track knows it.
        number: of the author's try, from 1, where the track spends its level on all of them.
        entries: drawn for each figure.

    Raises:
        UsageError: the track tests nothing, or nobody knows a deviation, or it does not count
            tries.
    """
    asked = track.significance
    if asked.margin_nats_per_token is None:
        raise UsageError(f"track {track.name}: has no bar to beat, so nothing is tested")
    sd = sd_bpb or asked.field_sd_bpb
    if sd is None:
        raise UsageError(
            f"track {track.name}: knows no deviation of the field (field_sd_bpb): say how far runs "
            "with different seeds scatter, in BPB, with --sd"
        )
    margin = asked.margin_nats_per_token
    if number != 1 and not asked.spending:
        raise UsageError(f"track {track.name}: does not spend its level on tries: leave out --try")
    procedure = procedure_of(asked, margin_bpb=size.bpb(margin), number=number)
    # A machine of one kind is not quite another; a laptop's runs are all on one.
    host_sd = HOST_SHARE * (asked.field_sd_bpb or sd) if track.hardware.accelerators else 0.0
    # Whoever names a deviation means that one; the field's entries differ in it.
    degrees = None if sd_bpb else asked.field_degrees
    world = World(gain=0.0, sd=sd, degrees=degrees, host_sd=host_sd)
    wanted = gains or tuple(share * margin for share in (0, 0.5, 1, 1.5, 2))
    last = max(2.5 * margin, 1.1 * max(wanted)) or 0.01
    hours = _hours_a_run(track)

    def at(gain: float) -> Chances:
        return chances(procedure, replace(world, gain=size.bpb(gain)), entries=entries)

    return PowerReport(
        track=track.name,
        edition=track.edition,
        track_digest=track.digest,
        test=_test(procedure),
        looks=tuple(
            LookAt(
                runs=look.runs,
                accept_below=look.accept_below,
                hopeless_above_bpb=look.hopeless_above,
            )
            for look in procedure.looks
        ),
        confirmation=procedure.confirmation,
        p_below=procedure.p_below,
        margin_nats=margin,
        margin_bpb=procedure.margin,
        size=size,
        sd_bpb=sd,
        sd_drawn=degrees is not None,
        sd_source="as asked" if sd_bpb else asked.source or "the track",
        host_sd_bpb=host_sd,
        accelerators=track.hardware.accelerators,
        hours_a_run=hours,
        entries=entries,
        gains=tuple(_at_gain(gain, size.bpb(gain), at(gain), hours) for gain in wanted),
        deviations=_deviations(procedure, world, entries=entries),
        curve=tuple(
            (gain, at(gain).share)
            for gain in (last * step / (_POINTS - 1) for step in range(_POINTS))
        ),
    )


def _at_gain(nats: float, bpb: float, found: Chances, hours: float | None) -> AtGain:
    return AtGain(
        gain_nats=nats,
        gain_bpb=bpb,
        accepted=found.accepted_share,
        record=found.share,
        error=found.error,
        mean_runs=found.mean_runs,
        hours=None if hours is None else hours * found.mean_runs,
    )


def _deviations(procedure: Procedure, world: World, *, entries: int) -> tuple[AtDeviation, ...]:
    asked: list[tuple[float | None, World]] = []
    if world.degrees is not None:
        asked.append((None, world))
    asked += [(times, replace(world, sd=times * world.sd, degrees=None)) for times in MULTIPLES]
    found = []
    for multiple, each in asked:
        shares = [
            chances(procedure, replace(each, gain=share * procedure.margin), entries=entries)
            for share in (0, 0.5, 1)
        ]
        found.append(
            AtDeviation(
                multiple=multiple,
                sd_bpb=each.sd,
                without_gain=shares[0].share,
                half_margin=shares[1].share,
                whole_margin=shares[2].share,
                error=max(each.error for each in shares),
            )
        )
    return tuple(found)


def _hours_a_run(track: Track) -> float | None:
    """Accelerator hours of a run at its whole budgets; machine hours where none is needed."""
    budget = track.budget
    if budget.train_seconds is None or budget.score_seconds is None:
        return None
    seconds = budget.train_seconds + budget.score_seconds
    return max(track.hardware.accelerators, 1) * seconds / 3600


def _test(procedure: Procedure) -> str:
    return {
        "plain": "Student's t-test",
        "moderated": "t-test moderated by the field's deviation",
        "welch": f"Welch's t-test against {procedure.record_runs} runs of the record",
    }[procedure.kind]
