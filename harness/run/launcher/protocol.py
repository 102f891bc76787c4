"""What a launcher is to the main job.

A task is what ``harness seed RUN_DIR SEED`` (or ``harness prepare RUN_DIR``) does: all that it
needs is in the directory, so it can be run by any process on any machine that sees it.
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
    """One try of one draw of the plan in ``directory``."""

    directory: Path
    draw: int
    attempt: int


@dataclass(frozen=True)
class Ended:
    """A task that has ended.

    ``run`` is its evidence, as it was written; null where the task could not even be begun, for a
    reason of our side that ``error`` tells.
    """

    task: Task
    run: Run | None
    error: InfrastructureError | None = None


class Pool(Protocol):
    """Tasks that are waiting or running; iterating gives each as it ends, until none is left."""

    def start(self, task: Task) -> None:
        """Run a task when there is room."""

    def running(self, directory: Path) -> frozenset[int]:
        """Numbers of the draws of a directory whose tasks have not ended."""

    def cancel(self, directory: Path) -> None:
        """End the tasks of a directory: nothing that they could find would change its verdict."""

    def __iter__(self) -> Iterator[Ended]:
        """Each task as it ends."""


class Launcher(Protocol):
    """Runs tasks somewhere."""

    def open(self) -> AbstractContextManager[Pool]:
        """An empty pool; leaving it ends what still runs."""
