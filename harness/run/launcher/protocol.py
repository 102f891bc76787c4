"""The interface between the main job and a launcher.

A task is what ``harness seed RUN_DIR SEED`` (or ``harness prepare RUN_DIR``) does. Everything that
it needs is in the directory, so any process on any machine that can read the directory can run it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.errors import InfrastructureError
from harness.evidence.run import Run


@dataclass(frozen=True)
class Task:
    """One try of one draw of the plan in ``directory``, or the rest of one that has moved.

    ``moves``: how often it has moved, if it is to go on on another machine than ``not_on``.
    """

    directory: Path
    draw: int
    attempt: int
    moves: int = 0
    not_on: str | None = None


@dataclass(frozen=True)
class Ended:
    """A task that has ended.

    ``run`` is its evidence, as it was written. It is None where our side could not start the task:
    ``error`` then says why, and no further try would help. It is None without an error where the
    task was lost before it left anything, and may be tried again. ``told``: the display has been
    told of the run already.
    """

    task: Task
    run: Run | None
    error: InfrastructureError | None = None
    told: bool = False


class Pool(Protocol):
    """Tasks that wait or run; iterating yields each one when it ends, until none is left.

    ``most_losses``: so often our side may lose a draw before it is given up in this call.
    """

    most_losses: int

    def start(self, task: Task) -> None:
        """Add a task; it runs as soon as there is room."""

    def running(self, directory: Path) -> frozenset[int]:
        """Numbers of the draws of this directory that wait or run, for whomever they were sent."""

    def cancel(self, directory: Path) -> None:
        """End the tasks of a directory: its verdict no longer depends on them."""

    def __iter__(self) -> Iterator[Ended]:
        """Each task as it ends."""


class Launcher(Protocol):
    """Runs tasks somewhere."""

    def open(self) -> AbstractContextManager[Pool]:
        """A pool; leaving its ``with`` block ends tasks in this process, and no others."""
