"""What the log of a training says of its loss while it grows: claims, to be looked at, no evidence.

The log is a stranger's: whatever it holds, nothing here raises, keeps more than some figures, or
takes more than a hundredth of the time that passes.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from harness.report.step_line import step_line

PIECE_BYTES = 16_384
"""Read at most at once. Of a log that grows faster, the end counts."""
MOST_POINTS = 512
_LEAST_SECONDS = 1.0
_SHARE = 0.01


class Point(NamedTuple):
    """A loss as printed, the step that its line names, and when the line was complete."""

    seconds: float
    loss: float
    step: int | None


@dataclass(frozen=True)
class Steps:
    """How far a training is by its own words, and when it is done at the rate of late.

    ``left_seconds`` is null where the log does not say enough. ``at_limit`` is the step that it has
    come to when its time is up, where that is before the last one.
    """

    done: int
    planned: int | None
    left_seconds: float | None = None
    at_limit: int | None = None


class GrowingLog:
    """Losses of a log that grows.

    Args:
        path: the log, whose lines are stamped ``seconds text`` by us; it need not exist yet.
        clock: monotonic seconds, by which it is read at most once a second.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._next = -math.inf
        self._at = 0
        self._rest = b""
        self._skip, self._every = 0, 1
        self._planned: int | None = None
        self.points: list[Point] = []

    def look(self) -> None:
        """Read what was added, if it is time to; costs nothing where it is not."""
        begun = self._clock()
        if begun < self._next:
            return
        try:
            piece = self._piece()
        except OSError:
            piece = b""
        for line in self._lines(piece):
            self._take(line)
        ended = self._clock()
        self._next = ended + max(_LEAST_SECONDS, (ended - begun) / _SHARE)

    def _piece(self) -> bytes:
        with self._path.open("rb") as file:
            end = file.seek(0, 2)
            if end - self._at > PIECE_BYTES:
                self._at, self._rest = end - PIECE_BYTES, b""
                self._skip = 1  # the first line is not whole
            file.seek(self._at)
            piece = file.read(PIECE_BYTES)
            self._at += len(piece)
            return piece

    def _lines(self, piece: bytes) -> Iterator[bytes]:
        """Whole lines; what follows the last one is kept for the next time."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._rest = self._rest[-PIECE_BYTES:]
        skip, self._skip = self._skip if lines else 0, 0 if lines else self._skip
        yield from lines[skip:]

    def _take(self, line: bytes) -> None:
        found = step_line(line)
        if found is None:
            return
        self._planned = found.planned if found.planned is not None else self._planned
        self._add(Point(found.seconds, found.loss, found.step))

    def _add(self, point: Point) -> None:
        """Keep every point, then every other one, and so on: always the latest, always few."""
        self.points.append(point)
        if len(self.points) > MOST_POINTS:
            del self.points[1:-1:2]

    @property
    def last(self) -> Point | None:
        """The latest loss."""
        return self.points[-1] if self.points else None

    def curve(self, width: int) -> tuple[float, ...]:
        """Losses over equal stretches of the points, at most ``width``; means of each."""
        points = tuple(self.points)  # another thread may be adding to it
        count = min(width, len(points))
        ends = [place * len(points) // count for place in range(count + 1)] if count > 0 else []
        return tuple(
            fmean(point.loss for point in points[begin:end]) for begin, end in pairwise(ends)
        )

    def steps(self, elapsed_seconds: float, limit_seconds: float | None) -> Steps | None:
        """How far it is; None where no line names a step."""
        named = [point for point in tuple(self.points) if point.step is not None]
        if not named:
            return None
        last = named[-1]
        done = last.step or 0
        half = next(point for point in named if point.seconds >= last.seconds / 2)
        took, made = last.seconds - half.seconds, done - (half.step or 0)
        if self._planned is None or self._planned < done or took <= 0 or made <= 0:
            return Steps(done, self._planned)
        each = took / made
        left = max(0.0, (self._planned - done) * each - (elapsed_seconds - last.seconds))
        if limit_seconds is None or elapsed_seconds + left <= limit_seconds:
            return Steps(done, self._planned, left)
        until = max(0.0, limit_seconds - elapsed_seconds)
        at_limit = min(done + int((limit_seconds - last.seconds) / each), self._planned)
        return Steps(done, self._planned, until, max(at_limit, done))
