"""What a verification reports while it runs; none of it is evidence.

A display overrides the methods for what it wants to show.
"""

from harness.evidence.run import Run
from harness.evidence.steps import Step
from harness.evidence.store import RunDirectory


class Progress:
    """Receives all events and shows nothing. :meth:`close` may be called twice."""

    def started(self, directory: RunDirectory) -> None:
        """The plan is fixed and the first run is about to begin."""

    def note(self, text: str) -> None:
        """Report something that deserves its own line."""

    def step(
        self, directory: RunDirectory, run: Run, step: Step, *, limit_seconds: float | None
    ) -> None:
        """A step of a run begins; ``limit_seconds`` is its budget, where it has one."""

    def tick(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int = 0,
        targets_total: int = 0,
        tokens_per_second: float = 0.0,
    ) -> None:
        """The step still runs."""

    def ended(self, directory: RunDirectory, run: Run) -> None:
        """A run has ended and its evidence is written."""

    def close(self) -> None:
        """Nothing more will be reported; restores the terminal."""
