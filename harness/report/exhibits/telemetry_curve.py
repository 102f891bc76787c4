"""What accelerators did in a step: their work in sum, and moments thinned out for a picture."""

import math
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from harness.evidence.store import RunDirectory
from harness.evidence.telemetry_file import LARGEST_BYTES, Curves, NotTelemetryError
from harness.report.exhibits.model import MOST_POINTS, TelemetryPoint
from harness.safeio.files import sha256_of_bytes
from harness.safeio.reading import read_inside


def kept_curves(directory: RunDirectory, file: PurePath, *, sha256: str) -> Curves | None:
    """What was seen moment by moment; None where there is no such file.

    Args:
        directory: of the verification.
        file: its name below that directory.
        sha256: of its content, from the evidence.
    """
    try:
        content = read_inside(directory.path, file, limit_bytes=LARGEST_BYTES)
        if sha256_of_bytes(content) != sha256:
            return None
        return Curves.from_bytes(content)
    except (OSError, NotTelemetryError):
        return None


def telemetry_curve(curves: Curves) -> tuple[TelemetryPoint, ...]:
    """A point for each of at most so many stretches of time."""
    every = max(1, math.ceil(len(curves.seconds) / MOST_POINTS))
    places = range(0, len(curves.seconds), every)
    return tuple(_point(curves, slice(place, place + every)) for place in places)


def busy_seconds(curves: Curves) -> float:
    """Seconds of one accelerator that was busy all the time; those of all are added up."""
    return _sum_over_time(curves, "busy_percent") / 100


def kilojoules(curves: Curves) -> float | None:
    """Energy of all accelerators whose power the driver told; None if it told of none."""
    if not len(_there(curves.columns["milliwatts"])):
        return None
    return _sum_over_time(curves, "milliwatts") / 1e6


def _sum_over_time(curves: Curves, column: str) -> float:
    """A column times the seconds for which each moment stands: until the next one."""
    until_next = np.diff(curves.seconds.astype(np.float64)).clip(min=0)  # a stranger's may go back
    values = curves.columns[column][:-1].clip(min=0).sum(axis=1)
    return float(until_next @ values)


def _point(curves: Curves, stretch: slice) -> TelemetryPoint:
    """Of a stretch of time, over all accelerators."""
    seen = {name: column[stretch] for name, column in curves.columns.items()}
    watts, limits = _there(seen["milliwatts"]), _there(seen["limit_milliwatts"])
    clocks, heat = _there(seen["sm_mhz"]), _there(seen["celsius"])
    return TelemetryPoint(
        seconds=max(0.0, round(float(curves.seconds[stretch][0]), 3)),
        lowest_mhz=int(clocks.min()) if len(clocks) else None,
        watts=round(float(watts.mean()) / 1000, 1) if len(watts) else None,
        limit_watts=round(float(limits.min()) / 1000, 1) if len(limits) else None,
        hottest_celsius=int(heat.max()) if len(heat) else None,
    )


def _there(column: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The values that the driver had."""
    return column[column >= 0]
