"""Tasks that wait for room, in the order in which they are to begin."""

import heapq
import itertools
from enum import IntEnum
from pathlib import Path

from harness.run.launcher.protocol import Task


class _Turn(IntEnum):
    """When the tasks of a verification have their turn, by what it has come to."""

    HAS_ENDED = 0
    UNTOUCHED = 1
    HAS_BEGUN = 2


class Backlog:
    """Waiting tasks, in an order that gives early verdicts and wastes little.

    First those of verifications of which a run has ended, so that what was begun is finished. Then
    one of each that nothing was begun of. Last further ones of those whose first run is under way:
    most entries end with it, and what was begun beside it is for nothing. Where little waits, all
    begin at once all the same. Among equals the verification that came first is first.
    """

    def __init__(self) -> None:
        self._ranks: dict[Path, int] = {}
        self._turns: dict[Path, _Turn] = {}
        self._waiting: dict[Path, dict[int, Task]] = {}
        self._heap: list[tuple[_Turn, int, int, int, Task]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        """How many tasks wait."""
        return sum(map(len, self._waiting.values()))

    def add(self, task: Task) -> None:
        """Have a task wait."""
        self._ranks.setdefault(task.directory, len(self._ranks))
        self._waiting.setdefault(task.directory, {})[task.draw] = task
        self._push(task)

    def take(self) -> Task:
        """The task whose turn it is; it waits no longer.

        Raises:
            LookupError: none waits.
        """
        while self._heap:
            turn, *_, task = heapq.heappop(self._heap)
            waiting = self._waiting.get(task.directory, {})
            # Else it was dropped, or has got another turn since.
            if waiting.get(task.draw) is task and turn == self._turn(task.directory):
                del waiting[task.draw]
                self.begun(task.directory)
                return task
        raise LookupError("no task waits")

    def begun(self, directory: Path) -> None:
        """A task of a verification was begun."""
        if self._turn(directory) is _Turn.UNTOUCHED:
            self._set(directory, _Turn.HAS_BEGUN)

    def ended(self, directory: Path) -> None:
        """A task of a verification has ended, whatever came of it."""
        self._set(directory, _Turn.HAS_ENDED)

    def draws(self, directory: Path) -> frozenset[int]:
        """The draws of a verification that wait."""
        return frozenset(self._waiting.get(directory, ()))

    def drop(self, directory: Path) -> None:
        """Forget the tasks of a verification."""
        self._waiting.pop(directory, None)

    def _turn(self, directory: Path) -> _Turn:
        return self._turns.get(directory, _Turn.UNTOUCHED)

    def _set(self, directory: Path, turn: _Turn) -> None:
        if self._turn(directory) is not turn:
            self._turns[directory] = turn
            for task in self._waiting.get(directory, {}).values():
                self._push(task)

    def _push(self, task: Task) -> None:
        rank, turn = self._ranks[task.directory], self._turn(task.directory)
        heapq.heappush(self._heap, (turn, rank, task.draw, next(self._count), task))
