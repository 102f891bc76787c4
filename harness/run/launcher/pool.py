"""A pool of tasks on a site's nodes: what Slurm, Ray and the simulation share.

Who runs first, which node is passed over, when a task is lost and what killed processes leave is
decided here; a site only runs jobs (``site.py``), a desk only remembers them (``desk.py``).

A task is lost when its job is gone, nothing of its end was written down, and no harness holds its
draw any more. That lock is what counts: a node that the site takes for dead, but that still
computes, goes on undisturbed, and what it measures is taken.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from harness.errors import InfrastructureError
from harness.run.launcher.backlog import Backlog
from harness.run.launcher.desk import Desk, Outcome, Record
from harness.run.launcher.protocol import Ended, Pool, Task
from harness.run.launcher.settings import Cluster
from harness.run.launcher.site import GONE, WAITING, JobState, Site, UnreachableError
from harness.safeio.text import plain

Answer = TypeVar("Answer")
_SHOWN = 300
_NEEDLESS = "cancelled: its verdict depends on it no longer"


@dataclass
class _Open:
    """A task that was sent, or that an earlier process sent."""

    task: Task
    record: Record
    job: str
    state: JobState = WAITING
    cancelled: bool = False
    gone_since: float | None = None


class SiteLauncher:
    """Runs tasks on the nodes of a site.

    Args:
        site: opens it; called when the pool is opened.
        desk: where tasks are written down.
        settings: the site's.
        note: told what happens to tasks.
    """

    def __init__(
        self,
        site: Callable[[], Site],
        desk: Desk,
        settings: Cluster,
        note: Callable[[str], None],
    ) -> None:
        self._site, self._desk, self._settings, self._note = site, desk, settings, note

    @contextmanager
    def open(self) -> Iterator[Pool]:
        """A pool; what it has sent goes on when it is left."""
        site = self._site()
        pool = SitePool(site, self._desk, self._settings, self._note)
        try:
            yield pool
        finally:
            if pool.open_tasks:
                self._note(f"{pool.open_tasks} tasks were sent and go on without us")
            site.close()


class SitePool:
    """See :class:`Pool`; ``clock`` and ``sleep`` are those of a simulation in a simulation."""

    def __init__(
        self,
        site: Site,
        desk: Desk,
        settings: Cluster,
        note: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._site, self._desk, self._settings, self._note = site, desk, settings, note
        self._clock, self._sleep = clock, sleep
        self.most_losses = settings.tries
        self._backlog = Backlog()
        self._open: dict[str, _Open] = {}
        self._of: dict[Path, set[str]] = {}
        # By what plans ask of a node: one that refused is asked again by the next call only.
        self._refused: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._asks: dict[Path, str] = {}
        self._lost_on: defaultdict[tuple[Path, int], set[str]] = defaultdict(set)
        self._unreachable = False

    @property
    def open_tasks(self) -> int:
        """How many tasks were sent and have not ended."""
        return len(self._open)

    def start(self, task: Task) -> None:
        """Add a task; it is sent as soon as there is room."""
        self._adopt(task.directory)
        self._backlog.add(task)

    def running(self, directory: Path) -> frozenset[int]:
        """Draws that wait or run, those that an earlier process sent among them."""
        self._adopt(directory)
        sent = {self._open[name].task.draw for name in self._of[directory]}
        return frozenset(sent) | self._backlog.draws(directory)

    def cancel(self, directory: Path) -> None:
        """Have all tasks of a verification end; what ends by itself meanwhile is still taken."""
        self._adopt(directory)
        self._backlog.drop(directory)
        for name in self._of[directory]:
            each = self._open[name]
            if not each.cancelled:
                # Written down first: one that begins late finds it, and does nothing.
                self._desk.close(each.record, Outcome(how="cancelled", why=_NEEDLESS))
                each.cancelled = True
                self._cancel(each)

    def _cancel(self, each: _Open) -> None:
        if each.job:
            self._reach(partial(self._site.cancel, each.job))

    def __iter__(self) -> Iterator[Ended]:
        """Each task as it ends; waits for the site meanwhile."""
        while self._backlog or self._open:
            ended = [*self._send(), *self._look()]
            yield from ended
            if not ended:
                self._sleep(self._settings.poll_seconds)

    def _adopt(self, directory: Path) -> None:
        """Take over what an earlier process has sent for a verification."""
        if directory in self._of:
            return
        self._of[directory] = set()
        self._asks[directory] = self._desk.asks(directory)
        for record in self._desk.unfinished(directory):
            task = replace(record.task, directory=directory)
            self._keep(_Open(task, record, self._desk.job(record) or ""))
            self._note(f"{_named(task)}: sent by an earlier call")

    def _keep(self, each: _Open) -> None:
        self._open[each.record.order.name] = each
        self._of[each.task.directory].add(each.record.order.name)
        self._backlog.begun(each.task.directory)

    def _send(self) -> Iterator[Ended]:
        """Send waiting tasks while there is room; those that no node takes end here."""
        aside: list[Task] = []
        while self._backlog and len(self._open) < self._settings.most_jobs:
            if not self._reach(partial(self._site.has_room, ())):
                break
            task = self._backlog.take()
            try:
                sent = self._reach(partial(self._sent, task))
            except InfrastructureError as error:
                yield Ended(task, None, error)
                continue
            if not sent:
                aside.append(task)
                if sent is None or not self._is_choosy(task):
                    break
        for task in aside:
            self._backlog.add(task)

    def _is_choosy(self, task: Task) -> bool:
        """Whether nodes that a task avoids may be good for the next one."""
        return task.not_on is not None or bool(self._lost_on[(task.directory, task.draw)])

    def _sent(self, task: Task) -> bool:
        """Send a task; False where the site has no room for it now.

        Raises:
            UnreachableError: the site does not answer.
            InfrastructureError: the site, or every node, refuses it.
        """
        avoid = self._avoided(task)
        if not self._site.has_room(avoid):
            return False
        record = self._desk.write(task)
        try:
            job = self._site.submit(record, avoid=avoid)
        except InfrastructureError as error:
            self._desk.close(record, Outcome(how="cancelled", why=plain(str(error), _SHOWN)))
            raise
        self._keep(_Open(task, record, job))
        self._desk.sent(record, job)
        return True

    def _avoided(self, task: Task) -> frozenset[str]:
        """The nodes that this task is not sent to.

        Raises:
            InfrastructureError: every node refused its plan, or only the one is left that it is to
                leave.
        """
        refused = self._refused[self._asks[task.directory]]
        lost = self._lost_on[(task.directory, task.draw)]
        if not (refused or lost or self._settings.nodes or task.not_on is not None):
            return frozenset()
        every = self._site.nodes()
        allowed = every & set(self._settings.nodes) if self._settings.nodes else every
        left = allowed - refused.keys()
        if not left:
            told = "; ".join(f"{node}: {plain(why, 200)}" for node, why in sorted(refused.items()))
            raise InfrastructureError(
                f"no node takes it: {told}" if told else "none of the named nodes is there",
                remedy="mend the nodes, then finish it with --resume",
            )
        left -= {task.not_on}
        if not left:
            raise InfrastructureError(
                f"no other node than {task.not_on or 'one without a name'}, which scored it, is "
                "there to ask again",
                remedy="finish it with --resume when there is one",
            )
        # A node that lost it may be the only one, and need not be to blame.
        return every - ((left - lost) or left)

    def _look(self) -> list[Ended]:
        """Ask the site once; the tasks that have ended."""
        jobs = {name: each.job for name, each in self._open.items()}
        states = self._reach(partial(self._site.states, jobs)) if jobs else None
        ended: list[Ended] = []
        for name, each in tuple(self._open.items()) if states is not None else ():
            state = (states or {}).get(name, GONE)
            if state.what == "running" and each.state.what != "running":
                self._note(f"{_named(each.task)}: runs on {state.node or 'a node'}")
            each.state, each.job = state, each.job or state.job
            if (outcome := self._outcome(each)) is not None:
                ended += self._end(each, outcome)
        return ended

    def _outcome(self, each: _Open) -> Outcome | None:
        """How a task ended; None while it has not, or while that may not be seen here yet."""
        if each.cancelled:
            return self._cancelled(each)
        written = self._desk.outcome(each.record)
        if written is not None and (written.how != "done" or self._has_ended(each)):
            return written
        if each.state.what != "gone":
            each.gone_since = None
            return None
        if each.gone_since is None:
            each.gone_since = self._clock()
        settled = self._clock() - each.gone_since >= self._settings.settle_seconds
        return self._given_up(each) if settled else None

    def _given_up(self, each: _Open) -> Outcome | None:
        """How a task ended whose job is gone; None while somebody holds its draw all the same."""
        node = each.state.node or self._desk.node(each.record)
        job = f"job {each.job}" if each.job else "a job that was never sent"
        why = f"{job}{f' on {node}' if node else ''}: {each.state.why or 'gone'}"
        if not self._desk.give_up(each.record, why):
            return None
        if self._has_ended(each):
            return Outcome(how="done", node=node)
        return Outcome(how="lost", node=node, why=why)

    def _cancelled(self, each: _Open) -> Outcome | None:
        """The same of one that was told to end; it may have been done before it heard of it."""
        if each.state.what != "gone":
            self._cancel(each)
            return None
        if not self._desk.give_up(each.record, _NEEDLESS):
            return None
        return Outcome(how="done" if self._has_ended(each) else "cancelled")

    def _has_ended(self, each: _Open) -> bool:
        run = self._desk.run(each.record)
        if run is None or run.ended:
            return run is not None
        return run.waits and len(run.moves or ()) > each.task.moves

    def _end(self, each: _Open, outcome: Outcome) -> Iterator[Ended]:
        task, name = each.task, _named(each.task)
        self._close(each, outcome)
        # What waits for another machine has ended here; its job begun once more is told to leave.
        if outcome.how == "refused" and not self._has_ended(each):
            self._note(f"{name}: {outcome.node} refuses: {plain(outcome.why, _SHOWN)}")
            self._refused[self._asks[task.directory]][outcome.node] = outcome.why
            self._backlog.add(task)
            return
        self._backlog.ended(task.directory)
        if outcome.how != "cancelled":
            run = self._desk.run(each.record)
            if run is not None and run.waits:
                run = run if self._has_ended(each) else None
            if run is None or (run.lost and not run.waits):
                why = outcome.why or (run.failure.reason if run and run.failure else "")
                self._note(f"{name}: lost on {outcome.node or 'no node'}: {plain(why, _SHOWN)}")
                self._lost_on[(task.directory, task.draw)].add(outcome.node)
            yield Ended(task, run)

    def _close(self, each: _Open, outcome: Outcome) -> None:
        self._desk.close(each.record, outcome)
        del self._open[each.record.order.name]
        self._of[each.task.directory].discard(each.record.order.name)

    def _reach(self, ask: Callable[[], Answer]) -> Answer | None:
        """What the site answers; None while it does not, which is told once."""
        try:
            answer = ask()
        except UnreachableError as error:
            if not self._unreachable:
                self._note(f"waiting for the site: {plain(error.message, _SHOWN)}")
            self._unreachable = True
            return None
        if self._unreachable:
            self._note("the site answers again")
        self._unreachable = False
        return answer


def _named(task: Task) -> str:
    return f"{task.directory.name}, draw {task.draw}, try {task.attempt}"
