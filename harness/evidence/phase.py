"""Facts about one sandbox from start to end, as engine and harness measured them."""

from typing import Annotated, Literal

from pydantic import Field

from harness.evidence.isolation import PropertyId
from harness.evidence.results import ArtifactFacts
from harness.models import Fact, Later

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


class EarlySealFacts(Fact):
    """The artifact of a phase that goes on after it wrote it, as it was taken meanwhile.

    The phase was held still, so that nothing of it ran, while the file was copied. ``by``: because
    the finished file was opened for reading (``read``), because the budget for writing it had ended
    (``budget``), or, where the phase had ended before, after its end (``end``). A file that was
    another one at a later of these moments was taken again, and that moment is told. ``seconds``
    are those from the phase's start to that moment, by the engine's clock, in which it was not held
    still; ``noticed_seconds`` those to the moment at which the read was seen, a little before.
    ``frozen_seconds``: how long it was held still altogether, attempts in vain included.

    ``artifact`` is null where there was nothing to take, and ``problem`` says why. ``at_end`` says
    what the same name held when the phase had ended; null where nobody looked. ``unwatched`` says
    why reads were not, or not to the end, looked for; empty where they were.
    """

    by: Literal["read", "budget", "end"]
    seconds: float
    noticed_seconds: float | None = None
    frozen_seconds: float = Field(default=0.0, ge=0)
    artifact: ArtifactFacts | None = None
    at_end: Literal["same", "changed", "gone"] | None = None
    problem: str = Field(default="", max_length=1_000)
    unwatched: str = Field(default="", max_length=300)


LONGEST_END = 300
"""Characters that are kept of the line that says how a phase ended."""


class LogEnd(Fact):
    """The line of a phase's log that says how it ended, ``seconds`` after the start.

    It is the submission's own text: shown to people, and used by no rule.
    """

    text: str = Field(max_length=LONGEST_END)
    seconds: float = Field(ge=0)


class Load(Fact):
    """How busy the machine was: its load average over one minute, in running processes.

    ``before`` is that at the start of a phase, so without it; ``after`` that at its end.
    """

    before: float = Field(ge=0)
    after: float = Field(ge=0)


class PhaseFacts(Fact):
    """One sandbox from start to end.

    ``label`` says what ran in it; ``output`` whether it had a directory to leave files in.
    ``wallclock_seconds`` is the engine's StartedAt to FinishedAt, less the time in which we held
    the phase still (``early``), which is charged to nobody. The harness's own monotonic clock, less
    the same, brackets it, however late a busy machine lets us hear of the end:
    ``harness_seconds_low`` from the moment the start call had returned to the last one at which it
    was seen to run, ``harness_seconds_high`` from the moment the call was made to that at which the
    end was seen.
    ``stalled_seconds`` is the longest time in which the harness itself did not run.
    ``prepared_seconds``, by the harness's clock, are those before its own clock began, which are
    charged to nobody; null where that began with the phase.
    ``outcome``: ``completed`` exit code 0; ``failed`` any other; ``deadline`` killed at the
    limit; ``stopped`` ended by the harness because its work was done; ``lost`` the engine or
    the channel broke, so nothing can be said.
    ``log_end`` is null where nothing was printed, ``load`` where the system does not tell it.
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
    prepared_seconds: Later[Annotated[float, Field(ge=0)]] = None
    log_bytes: int = Field(default=0, ge=0)
    log_truncated: bool = False
    isolation: tuple[IsolationFact, ...] = ()
    detail: str = ""
    early: Later[EarlySealFacts] = None
    log_end: Later[LogEnd] = None
    load: Later[Load] = None

    @property
    def raw_seconds(self) -> float:
        """The engine's StartedAt to FinishedAt, time in which the phase was held still included."""
        return self.wallclock_seconds + (self.early.frozen_seconds if self.early else 0.0)

    @property
    def charged_seconds(self) -> float:
        """What counts against a budget: the engine's time, less what came before the clock."""
        return max(0.0, self.wallclock_seconds - (self.prepared_seconds or 0.0))
