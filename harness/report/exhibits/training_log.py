"""The curve of a training as its log tells it: claims, thinned out to what a picture can show."""

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from harness.evidence.store import RunDirectory
from harness.report.exhibits.model import MOST_POINTS, TrainPoint
from harness.report.step_line import StepLine, names_loss, step_line
from harness.safeio.reading import open_inside

_LINE_BYTES = 4096
_MOST_BYTES = 64 << 20
_MOST_LINES = 500_000
_LONGEST_SECONDS = 1e9
_MOST_READ = 60_000
"""Lines that name a loss; three for each step of the longest training."""


def training_curve(directory: RunDirectory, log: PurePath) -> tuple[TrainPoint, ...]:
    """Steps with their loss and the time that each took; empty where the log tells of none.

    The time of a step is that between two of the points, by what the log says of its own clock, or
    by our stamps of its lines where it says nothing.

    Args:
        directory: of the verification.
        log: its name below that directory; each line of it ``seconds text``.
    """
    try:
        with open_inside(directory.path, log) as file:
            found = list(_found_in(file))
    except OSError:
        return ()  # a log is for people: without it there is nothing to show
    every = max(1, math.ceil(len(found) / MOST_POINTS))
    # The first step compiles; from the end backwards, the last one is always there.
    kept = found[::-1][::every][::-1]
    return tuple(_points(kept))


def _found_in(file: io.BufferedReader) -> Iterator[StepLine]:
    """Lines that name a loss and a later step than the one before."""
    before, size, looked_at = -1, 0, 0
    for _ in range(_MOST_LINES):
        line = file.readline(_LINE_BYTES)
        size += len(line)
        if not line or size > _MOST_BYTES or looked_at == _MOST_READ:
            return
        if not names_loss(line):
            continue
        looked_at += 1
        found = step_line(line)
        if found is not None and found.step is not None and found.step > before:
            before = found.step
            yield found


def _points(lines: Sequence[StepLine]) -> Iterator[TrainPoint]:
    for before, line in zip([None, *lines], lines, strict=False):
        taken = None if before is None else _step_ms(before, line)
        yield TrainPoint(step=line.step or 0, seconds=line.seconds, loss=line.loss, step_ms=taken)


def _step_ms(before: StepLine, line: StepLine) -> float | None:
    """The time of a step between two lines, by the log's own clock if both have it."""
    steps = (line.step or 0) - (before.step or 0)
    took = line.seconds - before.seconds
    if line.trained_seconds is not None and before.trained_seconds is not None:
        took = line.trained_seconds - before.trained_seconds
    return 1000 * took / steps if 0 < took < _LONGEST_SECONDS and steps > 0 else None
