"""Facts about one sandbox from start to end, as engine and harness measured them."""

from typing import Annotated, Literal

from pydantic import Field

from harness.evidence.isolation import PropertyId
from harness.models import Fact

Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Outcome = Literal["completed", "failed", "deadline", "stopped", "lost"]


class IsolationFact(Fact):
    """One property of a sandbox, as its backend reports it back after the start.

    ``id`` is one of :mod:`harness.evidence.isolation`, of the edition that was run.
    """

    id: PropertyId
    expected: str
    actual: str

    @property
    def holds(self) -> bool:
        """Whether what was asked for is in force."""
        return self.expected == self.actual


class PhaseFacts(Fact):
    """One sandbox from start to end.

    ``label`` says what ran in it; ``output`` whether it had a directory to leave files in.
    ``wallclock_seconds`` is the engine's StartedAt to FinishedAt. The harness's own monotonic
    clock brackets it, however late a busy machine lets us hear of the end: ``harness_seconds_low``
    from the moment the start call had returned to the last one at which it was seen to run,
    ``harness_seconds_high`` from the moment the call was made to that at which the end was seen.
    ``stalled_seconds`` is the longest time in which the harness itself did not run.
    ``outcome``: ``completed`` exit code 0; ``failed`` any other; ``deadline`` killed at the
    limit; ``stopped`` ended by the harness because its work was done; ``lost`` the engine or
    the channel broke, so nothing can be said.
    """

    label: Label
    output: bool = False
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
