"""What a verification reports while it runs; none of it is evidence.

A display overrides the methods for what it wants to show.
"""

from collections.abc import Callable
from typing import Any

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
        bpb: float | None = None,
    ) -> None:
        """The step still runs. ``bpb``: about what the targets so far cost, where it is known."""

    def ended(self, directory: RunDirectory, run: Run) -> None:
        """A run has ended and its evidence is written."""

    def close(self) -> None:
        """Nothing more will be reported; restores the terminal."""


class Shielded(Progress):
    """A display that ends no run: what fails in it is told once, and it shows nothing more.

    Args:
        display: what shows it.
        tell: called with a sentence when the display has failed.

    Attributes:
        display: the same.
    """

    def __init__(self, display: Progress, tell: Callable[[str], None]) -> None:
        self.display = display
        self._tell = tell
        self._failed = False

    def _show(self, event: str, *told: Any, **named: Any) -> None:
        if self._failed and event != "close":
            return
        try:
            getattr(self.display, event)(*told, **named)
        except Exception as error:  # noqa: BLE001 - a mistake of ours in what is no evidence
            if not self._failed:
                self._failed = True
                self._tell(
                    "the display has failed and shows nothing more; the verification goes on "
                    f"({type(error).__name__}: {error})"
                )

    def started(self, directory: RunDirectory) -> None:
        """See :class:`Progress`."""
        self._show("started", directory)

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self._show("note", text)

    def step(
        self, directory: RunDirectory, run: Run, step: Step, *, limit_seconds: float | None
    ) -> None:
        """See :class:`Progress`."""
        self._show("step", directory, run, step, limit_seconds=limit_seconds)

    def tick(self, elapsed_seconds: float, last_line: str, **figures: Any) -> None:
        """See :class:`Progress`."""
        self._show("tick", elapsed_seconds, last_line, **figures)

    def ended(self, directory: RunDirectory, run: Run) -> None:
        """See :class:`Progress`."""
        self._show("ended", directory, run)

    def close(self) -> None:
        """See :class:`Progress`."""
        self._show("close")
