"""Which runs are made next: of every verification what it still wants, all in one pool.

It knows neither directories nor machines: a simulation of a whole contest runs through it too.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from harness.errors import HarnessError
from harness.judge.next_step import Wanted
from harness.run.launcher.protocol import Ended, Pool, Task


class Work(Protocol):
    """A verification that is being finished."""

    @property
    def path(self) -> Path:
        """What its tasks call its directory."""

    def wanted(self, running: frozenset[int], *, most_losses: int) -> Wanted:
        """The draws that the evidence so far asks for; ``running`` are under way."""

    def task(self, draw: int) -> Task:
        """The next try of a draw, or the rest of one that waits for another machine."""

    def take(self, ended: Ended) -> None:
        """Take note of how a task ended."""

    def over(self, why: str) -> None:
        """Nothing more is run, and nothing of it runs; may be told more than once."""

    def fail(self, error: HarnessError) -> None:
        """It cannot be finished now; the others go on."""


def run_all(works: Sequence[Work], pool: Pool) -> None:
    """Make the runs that some verifications want, until none of them wants any more."""
    by_path = {work.path: work for work in works}
    for work in works:
        _guarded(work, pool, lambda: None)
    for ended in pool:
        work = by_path[ended.task.directory]
        _guarded(work, pool, lambda work=work, ended=ended: work.take(ended))  # type: ignore[misc]


def _guarded(work: Work, pool: Pool, first: Callable[[], None]) -> None:
    """Do something first, then go on with a verification; its errors are its own."""
    try:
        first()
        _go_on(pool, work)
    except HarnessError as error:
        pool.cancel(work.path)
        work.fail(error)


def _go_on(pool: Pool, work: Work) -> None:
    """Start the runs that the evidence so far asks for: preparation, next look, confirmation."""
    running = pool.running(work.path)
    wanted = work.wanted(running, most_losses=pool.most_losses)
    if wanted.over:
        pool.cancel(work.path)
        work.over(wanted.why)
    for draw in wanted.draws:
        if draw.number not in running:
            pool.start(work.task(draw.number))
