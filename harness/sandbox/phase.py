"""One running phase: its clock, its deadline, its end. What both sandboxes share.

Two threads watch a phase, independent of the caller's: one waits for the end and stamps it,
one kills at the deadline. So the limit holds while the caller scores, renders, or is stuck.
"""

import contextlib
import threading
import time
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import InfrastructureError
from harness.evidence.phase import EarlySealFacts, IsolationFact, Load, Outcome, PhaseFacts
from harness.evidence.results import ArtifactFacts
from harness.hardware.machine import load_average
from harness.sandbox.logs import LogCapture
from harness.sandbox.protocol import Job
from harness.sandbox.taking import Taking

KILLED_EXIT_CODE = 137
_BEAT_SECONDS = 0.5
_KILL_SECONDS = 30.0
_KILLS = 4
_LOG_SECONDS = 30.0
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Ending:
    """How the sandbox itself reports the end of a phase; times are Unix nanoseconds."""

    started_nanoseconds: int
    finished_nanoseconds: int
    exit_code: int
    oom_killed: bool = False
    detail: str = ""


def timestamp(nanoseconds: int) -> str:
    """Unix nanoseconds as RFC 3339 with all nine decimals, in UTC."""
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest:09d}Z"


class WatchedPhase(Taking):
    """A started phase. Create it right after the start call; it watches from there.

    Args:
        job: what runs.
        log: already draining.
        called_at: our monotonic clock when the start call was made, in seconds.
        returned_at: the same when it had returned; the deadline counts from here.
        overhead_seconds: our own time spent before the start.
        reads: see :class:`harness.sandbox.early.EarlySealing`; for a job with ``early``.
    """

    def __init__(
        self,
        job: Job,
        log: LogCapture,
        *,
        called_at: float,
        returned_at: float,
        overhead_seconds: float,
        reads: Iterable[int] = (),
    ) -> None:
        super().__init__(job, reads)
        self.log = log
        self._load_before = load_average()
        self._called_at = called_at
        self._returned_at = returned_at
        self._ended_at = returned_at
        self._running_at = returned_at
        self._overhead_seconds = overhead_seconds
        self._counts_from = returned_at
        self._ended = threading.Event()
        self._kill_reason: Outcome | None = None
        self._kill_detail = ""
        self._lost: InfrastructureError | None = None
        self._facts: PhaseFacts | None = None
        self._closed = False
        self._stalled_seconds = 0.0
        self._given_up = False
        self._limit_seconds = job.wallclock_seconds
        self._prepared_seconds: float | None = None

    # What a sandbox must say of itself.

    @abstractmethod
    def owns(self, process: int) -> bool:
        """Whether a process, by its number on this machine, belongs to this phase."""

    @abstractmethod
    def is_seen_to_run(self) -> bool:
        """Whether its first process runs now; False also where that cannot be told."""

    @abstractmethod
    def await_end(self) -> None:
        """Block until the phase has ended; InfrastructureError when that cannot be known."""

    @abstractmethod
    def kill(self) -> bool:
        """Kill the phase; whether it was still running."""

    @abstractmethod
    def ending(self) -> Ending:
        """Read back how it ended; called once, after the end."""

    @abstractmethod
    def isolation(self) -> tuple[IsolationFact, ...]:
        """The isolation that was in force."""

    @abstractmethod
    def remove(self) -> None:
        """Remove every trace; must not hang and may be called while the phase runs."""

    def sweep(self) -> None:
        """Kill what outlived the phase's first process; called at its end, off the clock."""
        return

    # What follows from it.

    def watch(self) -> None:
        """Start the two threads, and those that have the artifact taken early."""
        for target in (self._watch_end, self._watch_deadline):
            threading.Thread(target=target, daemon=True).start()
        self.start_taking()

    def starts_at(self, nanoseconds: int) -> None:
        """Take the sandbox's own record of its start, as Unix nanoseconds, to count from.

        Within what our own clock says: an engine stamps the start when it hears of it.
        """
        moment = time.monotonic() - (time.time_ns() - nanoseconds) / _NANOSECONDS
        self._counts_from = min(max(moment, self._called_at), self._returned_at)

    def end_early(self, reason: Outcome, detail: str = "") -> None:
        """Kill because of ``reason``, unless the phase has ended or is being killed already."""
        with self._changing:
            if self._ended.is_set() or self._kill_reason is not None:
                return
            failed = None
            try:
                killed = self.kill()
            except InfrastructureError as error:
                # Of hundreds of processes that die slowly an engine says that it cannot kill
                # them. They die all the same, and whoever made them gains nothing by it.
                failed, killed = error, True
            if killed:
                self._kill_reason, self._kill_detail = reason, detail
        if self._ended.wait(_KILL_SECONDS):
            return
        if reason == "deadline" and (failed is None or self.is_seen_to_run()):
            self._insist()
            return
        self.lose(
            failed
            or InfrastructureError(
                f"the {self.job.label} sandbox did not end within {_KILL_SECONDS:.0f} s of "
                "being killed",
                remedy="look for processes stuck in the kernel (state D); then --resume",
            )
        )

    def _insist(self) -> None:
        """Kill again and again what is late and does not end, and give its end up at last.

        That it ran longer than it may is known by our own clock, so whatever the engine cannot do
        or say after that, the phase is over its limit and nothing that it left counts.
        """
        for _ in range(_KILLS):
            with contextlib.suppress(InfrastructureError):
                self.kill()
            if self._ended.wait(_KILL_SECONDS):
                return
        self._given_up = True
        self._ended_at = time.monotonic()
        self._set_ended()

    def _set_ended(self) -> None:
        self._ended.set()
        self.nothing_to_take()

    @property
    def is_over(self) -> bool:
        """See :class:`harness.sandbox.taking.Taking`."""
        return self._ended.is_set() or self._kill_reason is not None

    @property
    def counts_from(self) -> float:
        """See :class:`harness.sandbox.early.Takes`."""
        return self._counts_from

    @property
    def has_ended(self) -> bool:
        """Whether the end was seen."""
        return self._ended.is_set()

    @property
    def elapsed_seconds(self) -> float:
        """See :class:`harness.sandbox.protocol.Running`."""
        return self._elapsed_at(self._ended_at if self._ended.is_set() else time.monotonic())

    def _elapsed_at(self, now: float) -> float:
        return now - self._returned_at - self.stillness.seconds(now)

    def begin_clock(self, seconds: float) -> None:
        """See :class:`harness.sandbox.protocol.Running`."""
        # It cannot have started later than its start call returned, so this is never too much.
        self._prepared_seconds = self.elapsed_seconds
        self._limit_seconds = self._prepared_seconds + seconds

    @property
    def last_line(self) -> str:
        """See :class:`harness.sandbox.protocol.Running`."""
        return self.log.last_line

    @property
    def last_lines(self) -> str:
        """See :class:`harness.sandbox.protocol.Running`."""
        return self.log.last_lines

    def wait(self, timeout_seconds: float) -> PhaseFacts | None:
        """See :class:`harness.sandbox.protocol.Running`."""
        ended = self._ended.wait(timeout_seconds)
        if self._lost is not None:
            raise self._lost
        self.log.check()
        return self._collect() if ended else None

    @property
    def early(self) -> EarlySealFacts | None:
        """See :class:`harness.sandbox.protocol.Running`."""
        facts = self.wait(0)
        return facts.early if facts is not None else None

    def stop(self) -> PhaseFacts:
        """See :class:`harness.sandbox.protocol.Running`."""
        self.end_early("stopped")
        facts = self.wait(_KILL_SECONDS)
        if facts is None:
            raise InfrastructureError(f"the {self.job.label} sandbox did not stop")
        return facts

    def seal(self, name: str, destination: Path, *, limit_bytes: int) -> ArtifactFacts:
        """See :class:`harness.sandbox.protocol.Running`."""
        facts = self.wait(0)
        if facts is None or not self.job.output:
            raise RuntimeError("an artifact can be sealed only after the end of train")
        if facts.outcome == "deadline":
            raise self.too_late(name)
        return self.seal_now(name, destination, limit_bytes=limit_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(masking=error is not None)

    def close(self, *, masking: bool) -> None:
        """Remove every trace; with ``masking`` an error of ours gives way to the one in flight."""
        if self._closed:
            return
        self._closed = True
        try:
            self.remove()
            self._ended.wait(_KILL_SECONDS)
            self.log.finish(_LOG_SECONDS)
        except InfrastructureError:
            if not masking:
                raise
        finally:
            self._set_ended()

    def _collect(self) -> PhaseFacts:
        self.await_taking()
        if self._lost is not None:
            raise self._lost
        # Under the lock, because a kill that is under way decides the outcome.
        with self._changing:
            if self._facts is None:
                self._facts = self._collected()
            return self._facts

    def _collected(self) -> PhaseFacts:
        begun = time.monotonic()
        self.log.finish(_LOG_SECONDS)
        end = self._ending()
        outcome: Outcome = self._kill_reason or ("completed" if end.exit_code == 0 else "failed")
        details = [text for text in (self._kill_detail, self._outcome_detail(end, outcome)) if text]
        # An engine stamps the start when it hears of it: after the end, for the shortest phases.
        elapsed = max(0, end.finished_nanoseconds - end.started_nanoseconds) / _NANOSECONDS
        frozen = self.stillness.seconds(self._ended_at)
        seconds = max(0.0, elapsed - frozen)
        early = self.taken(outcome, seconds=seconds, ended_at=self._ended_at)
        seen = self._running_at - self._returned_at - self.stillness.seconds(self._running_at)
        return PhaseFacts(
            label=self.job.label,
            output=self.job.output,
            outcome=outcome,
            exit_code=end.exit_code,
            oom_killed=end.oom_killed,
            started_at=timestamp(end.started_nanoseconds),
            finished_at=timestamp(end.finished_nanoseconds),
            wallclock_seconds=seconds,
            harness_seconds_low=seen,
            harness_seconds_high=self._ended_at - self._called_at - frozen,
            overhead_seconds=self._overhead_seconds + time.monotonic() - begun,
            stalled_seconds=self._stalled_seconds,
            prepared_seconds=self._prepared_seconds,
            log_bytes=self.log.stored_bytes,
            log_truncated=self.log.truncated,
            isolation=self.isolation(),
            detail="; ".join(details),
            early=early,
            log_end=self.log.end(raised=outcome != "deadline"),
            load=self._load(),
        )

    def _load(self) -> Load | None:
        before, after = self._load_before, load_average()
        return None if before is None or after is None else Load(before=before, after=after)

    def _ending(self) -> Ending:
        """As the sandbox says; of what is late and was killed, by our clock where it cannot say."""
        try:
            if not self._given_up:
                return self.ending()
        except InfrastructureError:
            if self._kill_reason != "deadline":
                raise
        elapsed = int((self._ended_at - self._returned_at) * _NANOSECONDS)
        now = time.time_ns()
        return Ending(now - elapsed, now, KILLED_EXIT_CODE)

    def _outcome_detail(self, end: Ending, outcome: Outcome) -> str:
        if end.detail:
            return end.detail
        if outcome == "deadline":
            charged = self._limit_seconds - (self._prepared_seconds or 0.0)
            return f"killed at the limit of {charged:g} s"
        if outcome == "failed" and not self._kill_detail:
            return f"exit code {end.exit_code}"
        return ""

    def _watch_end(self) -> None:
        try:
            self.await_end()
        except InfrastructureError as error:
            self.lose(error)
        else:
            self._ended_at = time.monotonic()
            self.sweep()
            self._set_ended()

    def _watch_deadline(self) -> None:
        before = time.monotonic()
        while (left := self._limit_seconds - self._elapsed_at(before)) > 0:
            # A time at which it still ran is a bound however late we hear of its end.
            if self.is_seen_to_run():
                self._running_at = before
            ended = self._ended.wait(min(left, _BEAT_SECONDS))
            now = time.monotonic()
            # A harness that was stopped or starved must not hold its own delay against anybody.
            self._stalled_seconds = max(self._stalled_seconds, now - before - _BEAT_SECONDS)
            before = now
            if ended:
                return
        self.end_early("deadline")

    def lose(self, error: InfrastructureError) -> None:
        """Nothing can be said of it any more, because of what ``error`` says."""
        if not self._ended.is_set():
            self._lost = error
            self._ended_at = time.monotonic()
            self._set_ended()
