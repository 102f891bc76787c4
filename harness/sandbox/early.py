"""Taking the artifact of a phase that goes on: when, how often it is tried, and what is said of it.

A script that evaluates itself writes its artifact, reads it back, and goes on in the same process.
What counts is what the file held at one moment, so at that moment the whole phase is held still,
the file is copied, and the phase goes on. A link, a mapping or a second process is no way around,
because nothing of the phase runs meanwhile.

The moment is the end of the budget for writing it. Where the finished file is seen to be read
before, it is copied then, too, for the script's own good: if it is still the same when the budget
is over, what came after that read is not charged to its training. If it is another one by then, or
when a phase ends before that, the later one counts, and so does its moment: whoever writes again
in time, having looked at what he wrote, is no cheat, and whoever does so to stop our clock has not
stopped it. So what the watcher misses, or is made to miss, takes nothing from anybody but the
script.
"""

import queue
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal, Protocol

from harness.evidence.phase import EarlySealFacts
from harness.evidence.results import ArtifactFacts
from harness.safeio.text import plain
from harness.sandbox.protocol import ArtifactError, EarlySeal

MOST_ATTEMPTS = 4
"""Reads after which only the end of the budget is waited for: each holds the phase still, at
nobody's cost."""

_BEAT_SECONDS = 0.5
_NANOSECONDS = 1_000_000_000
_ENDED = None


class Stillness:
    """The time in which a phase was held still, on our monotonic clock; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[tuple[float, float]] = []
        self._since: float | None = None

    def begins(self) -> None:
        """It is held still from now on."""
        with self._lock:
            self._since = time.monotonic()

    def ends(self) -> None:
        """It goes on from now on."""
        with self._lock:
            if self._since is not None:
                self._spans.append((self._since, time.monotonic()))
                self._since = None

    def seconds(self, until: float) -> float:
        """How long it was held still until a moment of that clock."""
        with self._lock:
            spans = [*self._spans, *([(self._since, until)] if self._since is not None else [])]
        return sum(max(0.0, min(end, until) - begin) for begin, end in spans)


def charged(moment: float, counts_from: float, stillness: Stillness) -> float:
    """Seconds from a start to a moment, less those in which the phase was held still."""
    return max(0.0, moment - counts_from - stillness.seconds(moment))


class Takes(Protocol):
    """What a phase does for its artifact to be taken early."""

    @property
    def has_ended(self) -> bool:
        """Whether its end was seen."""
        ...

    @property
    def counts_from(self) -> float:
        """Its start by the engine's clock, on our monotonic clock in seconds."""
        ...

    def take(self, early: EarlySeal) -> tuple[float, ArtifactFacts] | None:
        """Hold it still, copy the file, let it go on.

        Returns:
            The moment at which nothing ran any more, and what was taken; None when it has ended.

        Raises:
            NotTaken: there was nothing that could be taken.
            InfrastructureError: the engine or our disk failed.
        """
        ...


class NotTaken(Exception):
    """There was nothing to take at ``moment``, for ``reason``."""

    def __init__(self, moment: float, reason: ArtifactError) -> None:
        super().__init__(str(reason))
        self.moment = moment
        self.reason = str(reason)


class EarlySealing:
    """Waits for the moment and has the artifact taken; one for each phase.

    Args:
        early: what is to be taken, and when at the latest.
        reads: yields our monotonic clock in nanoseconds whenever the finished file is read; may
            end before the phase, or raise an OSError that says why it does.
    """

    def __init__(self, early: EarlySeal, reads: Iterable[int]) -> None:
        self.early = early
        self._reads = reads
        self._occasions: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._unwatched = ""
        self._by: Literal["read", "budget"] | None = None
        self._moment = 0.0
        self._noticed: int | None = None
        self._artifact: ArtifactFacts | None = None
        self._problem = ""
        self._budget_over = False

    def watch_reads(self) -> None:
        """Pass reads on until there are no more; for a thread of its own."""
        try:
            for moment in self._reads:
                self._occasions.put(moment)
        except OSError as error:
            self._unwatched = plain(error.strerror or str(error), 300)

    def phase_ended(self) -> None:
        """The phase has ended: nothing is to be waited for any more."""
        self._occasions.put(_ENDED)

    def run(self, phase: Takes, stillness: Stillness) -> None:
        """Take the artifact whenever its moment has come; for a thread of its own.

        Raises:
            InfrastructureError: the engine or our disk failed.
        """
        attempts = 0
        while not self._budget_over:
            noticed = self._next(phase, stillness, reads=attempts < MOST_ATTEMPTS)
            if noticed is _ENDED or phase.has_ended:
                return
            attempts += 1
            self._take(phase, noticed)

    def _take(self, phase: Takes, noticed: int) -> None:
        by: Literal["read", "budget"] = "read" if noticed else "budget"
        try:
            taken = phase.take(self.early)
        except NotTaken as error:
            self._budget_over = by == "budget"
            if self._artifact is None:
                self._problem = error.reason
                if self._budget_over:
                    self._by, self._moment = by, error.moment
            return
        if taken is None:  # it has ended
            return
        self._budget_over = by == "budget"
        moment, artifact = taken
        if artifact != self._artifact:
            self._moment, self._artifact = moment, artifact
            self._by, self._noticed, self._problem = by, noticed or None, ""

    def _next(self, phase: Takes, stillness: Stillness, *, reads: bool) -> int | None:
        """When the next read was noticed, 0 at the end of the budget, None at the phase's end."""
        while True:
            now = time.monotonic()
            left = phase.counts_from + self.early.seconds + stillness.seconds(now) - now
            if left <= 0:
                return 0
            with suppress(queue.Empty):
                occasion = self._occasions.get(timeout=min(left, _BEAT_SECONDS))
                if occasion is _ENDED or reads:
                    return occasion

    @property
    def is_decided(self) -> bool:
        """Whether something is to be said of a moment before the phase's end."""
        return self._by is not None

    @property
    def is_final(self) -> bool:
        """Whether the budget was over before the phase was: what is there later is too late."""
        return self._budget_over

    @property
    def artifact(self) -> ArtifactFacts | None:
        """What was taken before the phase's end."""
        return self._artifact

    def facts(
        self,
        *,
        counts_from: float,
        stillness: Stillness,
        frozen_seconds: float,
        at_end: Literal["same", "changed", "gone"] | None,
    ) -> EarlySealFacts:
        """What is said of a moment that was before the phase's end."""
        if self._by is None:
            raise RuntimeError("nothing was decided before the end of the phase")
        noticed = self._noticed and self._noticed / _NANOSECONDS
        return EarlySealFacts(
            by=self._by,
            seconds=charged(self._moment, counts_from, stillness),
            noticed_seconds=noticed and charged(noticed, counts_from, stillness),
            frozen_seconds=frozen_seconds,
            artifact=self._artifact,
            at_end=at_end,
            problem=plain(self._problem, 1_000),
            unwatched=self._unwatched,
        )

    def facts_of_end(
        self,
        *,
        seconds: float,
        frozen_seconds: float,
        sealed: ArtifactFacts | ArtifactError,
    ) -> EarlySealFacts:
        """What is said of a phase that ended before the moment came, and was sealed after it."""
        found = isinstance(sealed, ArtifactFacts)
        return EarlySealFacts(
            by="end",
            seconds=seconds,
            frozen_seconds=frozen_seconds,
            artifact=sealed if isinstance(sealed, ArtifactFacts) else None,
            at_end="same" if found else None,
            problem="" if found else plain(str(sealed), 1_000),
            unwatched=self._unwatched,
        )
