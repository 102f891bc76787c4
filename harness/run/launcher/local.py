"""Runs tasks on this machine, one after the other: each has the whole machine to itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import InfrastructureError
from harness.run.launcher.backlog import Backlog
from harness.run.launcher.protocol import Ended, Pool, Task
from harness.run.progress import Progress
from harness.run.seed_run import run_task


class LocalLauncher:
    """Runs tasks in this process.

    Args:
        data: directory of the datasets.
        progress: told of every step.
    """

    def __init__(self, data: Path, progress: Progress) -> None:
        self._data = data
        self._progress = progress

    @contextmanager
    def open(self) -> Iterator[Pool]:
        """An empty pool."""
        yield _LocalPool(self._data, self._progress)


class _LocalPool:
    most_losses = 1  # what is lost here would be lost here again

    def __init__(self, data: Path, progress: Progress) -> None:
        self._data = data
        self._progress = progress
        self._waiting = Backlog()

    def start(self, task: Task) -> None:
        self._waiting.add(task)

    def running(self, directory: Path) -> frozenset[int]:
        return self._waiting.draws(directory)

    def cancel(self, directory: Path) -> None:
        self._waiting.drop(directory)

    def __iter__(self) -> Iterator[Ended]:
        while self._waiting:
            task = self._waiting.take()
            self._waiting.ended(task.directory)
            try:
                run = run_task(task, data=self._data, progress=self._progress)
            except InfrastructureError as error:
                yield Ended(task, None, error)
            else:
                yield Ended(task, run, told=True)
