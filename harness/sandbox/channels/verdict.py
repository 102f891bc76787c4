"""What the tallies come to: each channel's figures and verdict, and the residual of all of them."""

from collections.abc import Mapping

from harness.audit.checks.texts import TEXT_BYTES
from harness.sandbox.channels.figures import ChannelFigures, ChannelReport, Mark, State
from harness.sandbox.channels.table import BY_ID, CHANNELS, Channel
from harness.sandbox.channels.tally import Tally
from harness.statistics.channels import (
    Interval,
    capacity_bounds,
    residual_nats_per_token,
    tries_in,
)
from harness.statistics.units import nats_per_token_to_bpb

DOUBT = 0.01
"""That any bound of any channel misses; each gets its share."""

NUMBER_BITS = 32
"""That one number of the kernel can carry: a million moves a second, for 600 s, are 2**29.2."""

_BLIND = 0.25  # share of known samples taken for the other kind; half is guessing
_NOT_RUN = "no GPU here: this was not run, and its code has never been run on one"


def report(
    backend: str,
    ours: Mapping[str, Tally],
    control: Mapping[str, Tally] | None,
    mark: Mark,
    *,
    rounds: int,
) -> ChannelReport:
    """All channels that were measured, in the order of the table.

    Args:
        backend: its name.
        ours: tallies by channel; one without is not applicable here.
        control: those of a default container; None where the backend has none.
        mark: what is allowed.
        rounds: pairs of phases.
    """
    figures = tuple(
        figures_of(
            each,
            ours[each.id],
            None if control is None else control.get(each.id),
            mark,
            doubt=DOUBT / len(CHANNELS),
        )
        for each in CHANNELS
        if each.id in ours
    )
    left = sum(each.bits_a_phase_high for each in figures if each.between_scoring_phases)
    nats = residual_nats_per_token(left, targets=mark.targets)
    by_state = {
        state: tuple(each.id for each in figures if each.state == state)
        for state in ("open", "unknown", "not applicable")
    }
    return ChannelReport(
        backend=backend,
        track=mark.track,
        margin_nats_per_token=mark.margin_nats_per_token,
        targets=mark.targets,
        budget_seconds=mark.budget_seconds,
        rounds=rounds,
        doubt=DOUBT,
        allowed_bits=mark.allowed_bits,
        known_bits=mark.known_bits,
        residual_bits=left,
        residual_nats_per_token=nats,
        residual_bpb=nats_per_token_to_bpb(nats, tokens=mark.targets, text_bytes=TEXT_BYTES),
        caches_dropped=max((each.caches_dropped for each in ours.values()), default=0),
        control_caches_dropped=max(
            (each.caches_dropped for id, each in (control or {}).items() if BY_ID[id].cached),
            default=0,
        ),
        holds=left <= mark.known_bits and not by_state["open"],
        open=by_state["open"],
        unknown=by_state["unknown"],
        not_run=by_state["not applicable"],
        channels=figures,
    )


def figures_of(
    channel: Channel, ours: Tally, control: Tally | None, mark: Mark, *, doubt: float
) -> ChannelFigures:
    """One channel, judged.

    Args:
        channel: its row.
        ours: what was counted in the backend's sandbox.
        control: what was counted in a default container; None where there is none.
        mark: what is allowed.
        doubt: that its bounds miss.
    """
    carries = capacity_bounds(ours.errors, ours.bits, doubt=doubt)
    shown = None if control is None else _is_open(control, doubt=doubt)
    state, note, phase = _judged(channel, ours, carries, control, mark, doubt=doubt)
    rate = ours.bits / ours.seconds if ours.seconds > 0 else 0.0
    right = ours.bits - ours.errors
    return ChannelFigures(
        id=channel.id,
        what=channel.what,
        closes=channel.closes,
        kind=channel.kind,
        between_scoring_phases=channel.scoring,
        state=state,
        note=note,
        bits_sent=ours.bits,
        bits_received=right,
        error_rate=ours.errors / ours.bits if ours.bits else None,
        capacity_low=carries.low,
        capacity_high=carries.high,
        bits_a_second_low=carries.low * rate,
        bits_a_second_high=carries.high * rate,
        bits_a_phase_low=phase.low,
        bits_a_phase_high=phase.high,
        control_bits_sent=control.bits if control else 0,
        control_error_rate=control.errors / control.bits if control and control.bits else None,
        control_open=shown,
    )


def _is_open(tally: Tally, *, doubt: float) -> bool:
    return capacity_bounds(tally.errors, tally.bits, doubt=doubt).low > 0


def _judged(
    channel: Channel,
    ours: Tally,
    carries: Interval,
    control: Tally | None,
    mark: Mark,
    *,
    doubt: float,
) -> tuple[State, str, Interval]:
    """State, reason, and bounds on the bits that a whole phase can send.

    What could not be measured is not taken for closed: it counts with all that could be tried, and
    where not even that is known, with all that is allowed.
    """
    if channel.needs_gpu and not ours.rounds:
        return "not applicable", _NOT_RUN, Interval(0, 0)
    if ours.broken:
        return "unknown", f"the measuring broke: {ours.broken}", Interval(0, mark.allowed_bits)
    if channel.kind == "number":
        return _number(ours, carries, mark)
    tries = tries_in(
        mark.budget_seconds,
        tried=max(1, ours.bits),
        took_seconds=max(ours.seconds, 1e-6),
        holds=None if ours.holds is None else float(ours.holds),
    )
    whole = Interval(carries.low * tries, tries)
    if channel.kind == "place":
        state, note, phase = _place(ours, carries, tries)
    else:
        works = control is not None and control.known_wrong <= _BLIND
        state, note, phase = _timing(ours, carries, tries, mark, works=works)
    if state != "closed":
        return state, note, phase
    lacking = _control_lacks(channel, control, doubt=doubt)
    return ("unknown", lacking, whole) if lacking else (state, note, phase)


def _number(ours: Tally, carries: Interval, mark: Mark) -> tuple[State, str, Interval]:
    said = f"; {ours.said}" if ours.said else ""
    if not ours.values:
        return "closed", f"nothing can be read there{said}", Interval(0, 0)
    holds = ours.values * NUMBER_BITS if ours.holds is None else ours.holds
    each = ours.bits / max(1, ours.rounds)
    phase = Interval(carries.low * each, carries.high * holds)
    bits = f"{NUMBER_BITS} bits each" if ours.holds is None else f"{holds:,} bits together"
    shown = f"{ours.values:,} numbers can be read there, {bits} at most{said}"
    if carries.low > 0:
        shown = f"what was moved arrives; {shown}"
    if phase.high <= mark.closed_bits:
        return "closed", shown, phase
    state: State = "open" if phase.low > mark.closed_bits else "unknown"
    return state, f"{shown}; what was not moved counts whole", phase


def _place(ours: Tally, carries: Interval, tries: float) -> tuple[State, str, Interval]:
    if not ours.placed:
        return "closed", f"refused ({ours.refused})", Interval(0, 0)
    if carries.low > 0:
        return "open", "what was left is found", Interval(carries.low * tries, tries)
    if ours.known_wrong > _BLIND:
        note = "the receiver cannot leave or see such a mark itself"
    else:
        note = "the receiver sees its own marks, and none of the sender's"
    return "closed", note, Interval(0, carries.high * ours.bits)


def _timing(
    ours: Tally, carries: Interval, tries: float, mark: Mark, *, works: bool
) -> tuple[State, str, Interval]:
    """A channel of times; ``works``: in a default container the receiver sees its own samples.

    Where it does there and does not here, on the same machine in the same minutes, noise is not the
    reason: here it cannot bring about the difference that it looks for, though it stands nearer
    than any phase before it.
    """
    phase = Interval(carries.low * tries, carries.high * tries)
    if phase.low > mark.closed_bits:
        return "open", "the times tell the bits", phase
    blind = ours.known_wrong > _BLIND
    wrong = f"the receiver takes {ours.known_wrong:.0%} of its own samples for the other kind"
    if blind and not works:
        return "unknown", f"too noisy: {wrong}", Interval(phase.low, tries)
    if phase.high > mark.closed_bits:
        return "unknown", "more bits must be tried to tell", phase
    if blind:
        return "closed", f"{wrong}, and in a default container it does not", phase
    return "closed", "the receiver tells its own samples apart, and not the sender's", phase


def _control_lacks(channel: Channel, control: Tally | None, *, doubt: float) -> str:
    """Why a default container does not prove that the measuring works; empty when it does."""
    if control is None:
        return "there is no default container to show that the measuring works"
    if control.broken:
        return f"the measuring broke in a default container: {control.broken}"
    if channel.cached and control.caches_dropped:
        return (
            f"somebody dropped this machine's caches {control.caches_dropped} times while a "
            "default container was measured; measure alone"
        )
    if channel.control == "open" and not _is_open(control, doubt=doubt):
        return "a default container should have it open and does not show it"
    works = _is_open(control, doubt=doubt) or control.known_wrong <= _BLIND or control.refused
    return "" if works else "a default container's receiver does not see its own marks either"
