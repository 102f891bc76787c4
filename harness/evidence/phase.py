"""One sandbox from start to end, as engine and harness saw it."""

from typing import Literal

from pydantic import Field

from harness.models import Fact

PhaseName = Literal["train", "score"]
Outcome = Literal["completed", "failed", "deadline", "stopped", "lost"]


class IsolationFact(Fact):
    """One property of a sandbox, as the engine reports it back after the start."""

    name: str
    expected: str
    actual: str

    @property
    def holds(self) -> bool:
        """Whether the engine applied what was asked of it."""
        return self.expected == self.actual


class PhaseFacts(Fact):
    """One sandbox from start to end.

    ``wallclock_seconds`` is the engine's StartedAt to FinishedAt. The harness's own monotonic
    clock brackets it: ``harness_seconds_low`` from the moment the start call had returned,
    ``harness_seconds_high`` from the moment it was made, both to the moment the end was seen.
    ``stalled_seconds`` is the longest time in which the harness itself stood still.
    ``outcome``: ``completed`` exit code 0; ``failed`` any other; ``deadline`` killed at the
    limit; ``stopped`` ended by the harness because its work was done; ``lost`` the engine or
    the channel broke, so nothing can be said.
    """

    phase: PhaseName
    outcome: Outcome
    exit_code: int | None
    oom_killed: bool = False
    started_at: str
    finished_at: str
    wallclock_seconds: float
    harness_seconds_low: float
    harness_seconds_high: float
    overhead_seconds: float = 0.0
    stalled_seconds: float = 0.0
    log_bytes: int = Field(default=0, ge=0)
    log_truncated: bool = False
    isolation: tuple[IsolationFact, ...] = ()
    detail: str = ""
