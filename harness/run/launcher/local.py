"""Runs tasks on this machine, one after the other: each has the whole machine to itself."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import InfrastructureError
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
    def __init__(self, data: Path, progress: Progress) -> None:
        self._data = data
        self._progress = progress
        self._waiting: deque[Task] = deque()

    def start(self, task: Task) -> None:
        self._waiting.append(task)

    def running(self, directory: Path) -> frozenset[int]:
        return frozenset(task.draw for task in self._waiting if task.directory == directory)

    def cancel(self, directory: Path) -> None:
        self._waiting = deque(task for task in self._waiting if task.directory != directory)

    def __iter__(self) -> Iterator[Ended]:
        while self._waiting:
            task = self._waiting.popleft()
            try:
                run = run_task(task, data=self._data, progress=self._progress)
            except InfrastructureError as error:
                yield Ended(task, None, error)
            else:
                yield Ended(task, run)
