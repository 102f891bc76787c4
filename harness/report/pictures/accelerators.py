"""Pictures of the accelerators while an entry trained, as the driver tells it."""

from typing import Literal

from harness.report.blocks import Picture
from harness.report.exhibits.model import TelemetryPoint
from harness.report.pictures.curves import Along, heights, told, with_curves
from harness.report.shown import Shown

_ALONG = Along("seconds", "seconds from the start of training")
_SOURCE = "While it trained, by the driver."


def clocks(shown: Shown) -> Picture | None:
    """The lowest clock of all accelerators, a line for each seed."""
    says = f"The lowest clock of any of the accelerators. {_SOURCE}"
    return _drawn(shown, "lowest_mhz", "clocks", "Clock", says, unit="MHz")


def power(shown: Shown) -> Picture | None:
    """What an accelerator takes on average, beside the limit that is in force."""
    points = (point for curve in _told(shown).values() for point in curve)
    limits = sorted({point.limit_watts for point in points if point.limit_watts is not None})
    says = f"What each accelerator takes, on average. {_SOURCE}"
    if len(limits) == 1:
        says += f" The limit in force is {limits[0]:,.0f} W."
    elif limits:
        says += f" The limits in force lie between {limits[0]:,.0f} and {limits[-1]:,.0f} W."
    return _drawn(shown, "watts", "power", "Power", says, unit="W an accelerator")


def temperature(shown: Shown) -> Picture | None:
    """The hottest of all accelerators, a line for each seed."""
    says = f"The hottest of the accelerators. {_SOURCE}"
    return _drawn(shown, "hottest_celsius", "temperature", "Temperature", says, unit="\u00b0C")


def _told(shown: Shown) -> dict[str, tuple[TelemetryPoint, ...]]:
    """What was seen of the seeds whose training was watched moment by moment."""
    return {
        f"seed {run.seed}": seen.curve
        for run in (shown.exhibits.runs if shown.exhibits else ())
        for seen in run.telemetry
        if run.role == "seed" and seen.curve
    }


def _drawn(
    shown: Shown,
    field: Literal["lowest_mhz", "watts", "hottest_celsius"],
    id: str,
    title: str,
    sentence: str,
    *,
    unit: str,
) -> Picture | None:
    curves = {
        name: [(point.seconds, value) for point in points if (value := getattr(point, field))]
        for name, points in _told(shown).items()
    }
    found = heights(curves)
    if len(found) < 2:
        return None
    between = f"between {min(found):,.4g} and {max(found):,.4g} {unit}"
    said = f"A line for each seed, {between}."
    return with_curves(told(id, title, sentence, said), curves, _ALONG, unit=unit)
