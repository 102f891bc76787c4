"""Times single requests, so that time saved at one question is not spent on another.

Whoever may be slow where he is asked again, but as a whole only, answers some questions at once and
thinks about the others for as long as all of them together may take. So each request is compared
with what scoring took for one of its size, and time that it does not use is lost.

Memory is bounded: seconds are kept as counts of steps of 4 %, sizes as quarters of an octave.
"""

import math
import threading
from collections import Counter
from typing import NamedTuple

from harness.evidence.pace import Pace, PaceAgain, PaceOfSize

ALLOWED_TIMES = 3.0
"""How many times as long as while scoring a request may take before it is counted as over."""
ENOUGH = 8
"""Of fewer requests of a size, their mean says nothing: one that compiled may be most of it."""
_SIZES_AN_OCTAVE = 4
_STEPS_AN_OCTAVE = 16
_LEAST_SECONDS = 1e-6
MOST_SHAPES = 4096
"""Shapes whose first request is known as such; more would be no warming up."""


class Shape(NamedTuple):
    """``windows`` of ``length`` tokens, with logits wanted at ``positions`` of each."""

    windows: int
    length: int
    positions: int

    @property
    def tokens(self) -> int:
        """All that it holds."""
        return self.windows * self.length


class Timed(NamedTuple):
    """One answered request: ``first`` of its shape on its device, ``told`` something before."""

    tokens: int
    first: bool
    told: bool
    seconds: float


class Firsts:
    """Which shapes one device was asked for already."""

    def __init__(self) -> None:
        self._seen: set[Shape] = set()

    def meet(self, shape: Shape) -> bool:
        """Whether it is the first of its shape."""
        if shape in self._seen or len(self._seen) >= MOST_SHAPES:
            return False
        self._seen.add(shape)
        return True


class Pacing:
    """Times requests while a split is scored; from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[tuple[int, bool], _Steps] = {}
        self._requests = 0
        self._seconds = self._slowest_first = 0.0

    def add(self, timed: Timed) -> None:
        """One answered request."""
        with self._lock:
            self._requests += 1
            self._seconds += timed.seconds
            if timed.first:
                self._slowest_first = max(self._slowest_first, timed.seconds)
            else:
                key = (_edge(timed.tokens), timed.told)
                self._sizes.setdefault(key, _Steps()).add(timed.seconds)

    def facts(self) -> Pace | None:
        """What they took; None where nothing was asked."""
        with self._lock:
            if not self._requests:
                return None
            return Pace(
                requests=self._requests,
                seconds=self._seconds,
                slowest_first_seconds=self._slowest_first,
                sizes=tuple(
                    PaceOfSize(
                        tokens=tokens,
                        after_telling=told,
                        requests=steps.count,
                        mean_seconds=steps.total / steps.count,
                        median_seconds=steps.quantile(0.5),
                        p95_seconds=steps.quantile(0.95),
                    )
                    for (tokens, told), steps in sorted(self._sizes.items())
                ),
            )


class PacingAgain:
    """Times requests that are asked again, beside the ``pace`` of the scoring, if it is known."""

    def __init__(self, pace: Pace | None) -> None:
        self._pace = pace
        self._lock = threading.Lock()
        self._times = _Steps()
        self._slower = 0
        self._over = self._scoring = 0.0
        self._for_firsts = ALLOWED_TIMES * _seconds_of_firsts(pace) if pace else 0.0

    def add(self, timed: Timed) -> None:
        """One answered request.

        The first of a shape may compile, for three times as long as the slowest one did; all of
        them together for three times as long as all did while scoring. Else whoever was slow once
        could be as slow at each new shape.
        """
        if self._pace is None:
            return
        expected = max(_LEAST_SECONDS, expected_seconds(self._pace, timed))
        usual = max(_LEAST_SECONDS, expected_seconds(self._pace, timed._replace(first=False)))
        with self._lock:
            self._times.add(timed.seconds / expected)
            self._scoring += usual
            over = max(0.0, timed.seconds - ALLOWED_TIMES * usual)
            if timed.first:
                compiling = ALLOWED_TIMES * self._pace.slowest_first_seconds
                granted = min(over, compiling, self._for_firsts)
                self._for_firsts -= granted
                over -= granted
            if over > 0:
                self._slower += 1
                self._over += over

    def facts(self, *, devices: int) -> PaceAgain | None:
        """What they took; None where nothing was asked, or there is nothing to compare with."""
        with self._lock:
            if not self._times.count:
                return None
            return PaceAgain(
                requests=self._times.count,
                median_times=self._times.quantile(0.5),
                p99_times=self._times.quantile(0.99),
                highest_times=self._times.highest,
                slower=self._slower,
                over_seconds=self._over / devices,
                scoring_seconds=self._scoring / devices,
            )


def expected_seconds(pace: Pace, timed: Timed) -> float:
    """What scoring took for a request of that size, or for a larger one where that was less.

    So nobody has long answers granted by giving a few of a rare size slowly; and means are taken,
    so that what he has granted is no more than what he was charged for while he was scored. Where
    none was as large, the largest; where too few were timed, the mean of all. The first of a shape
    may take what the slowest first one took.
    """
    known = [size for size in pace.sizes if size.requests >= ENOUGH]
    # Where nothing was ever asked first after a telling, it was while nothing was told.
    alike = [size for size in known if size.after_telling == timed.told] or known
    larger = [size.mean_seconds for size in alike if size.tokens >= timed.tokens]
    if larger:
        expected = min(larger)
    elif alike:
        expected = max(alike, key=lambda size: size.tokens).mean_seconds
    else:
        expected = pace.seconds / pace.requests
    return max(expected, pace.slowest_first_seconds) if timed.first else expected


def _seconds_of_firsts(pace: Pace) -> float:
    """What the first requests of all shapes took while scoring, on all devices."""
    others = sum(size.mean_seconds * size.requests for size in pace.sizes)
    return max(0.0, pace.seconds - others)


class _Steps:
    """Positive figures, counted by their logarithm."""

    def __init__(self) -> None:
        self.count = 0
        self.total = self.highest = 0.0
        self._counts: Counter[int] = Counter()

    def add(self, value: float) -> None:
        value = max(value, _LEAST_SECONDS)
        self.count += 1
        self.total += value
        self.highest = max(self.highest, value)
        self._counts[round(_STEPS_AN_OCTAVE * math.log2(value))] += 1

    def quantile(self, share: float) -> float:
        """The figure below which that share of all lies, within 2.2 %."""
        wanted, passed = share * self.count, 0
        for step in sorted(self._counts):
            passed += self._counts[step]
            if passed >= wanted:
                return min(self.highest, float(2.0 ** (step / _STEPS_AN_OCTAVE)))
        return self.highest


def _edge(tokens: int) -> int:
    """The smallest size, of a few an octave, that is no less."""
    step = math.ceil(_SIZES_AN_OCTAVE * math.log2(tokens))
    return max(tokens, math.floor(2 ** (step / _SIZES_AN_OCTAVE)))
