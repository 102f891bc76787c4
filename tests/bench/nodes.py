"""Nodes of a cluster in virtual time: they compute, die, are mended, and refuse.

What decides anything is the code that runs on real clusters: ``run/scheduling.py`` and
``run/launcher/pool.py``. Only the site and the desk are made up here.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.evidence.run import Run
from harness.run.launcher.desk import Order, Outcome, Record
from harness.run.launcher.protocol import Task
from harness.run.launcher.site import JobState

NAMES = "harness-{:016x}"


@dataclass(frozen=True)
class Faults:
    """What goes wrong, in seconds and shares.

    Attributes:
        between_failures: of one node, on average; it loses what it runs.
        repair: so long a node is away.
        differing: share of the nodes that are not as the plans ask, and refuse.
        refusal: what a node takes to find that out.
    """

    between_failures: float = 30 * 86_400
    repair: float = 3_600
    differing: float = 0.03
    refusal: float = 30


@dataclass
class _Node:
    name: str
    differs: bool
    up: bool = True
    job: str = ""


@dataclass
class _Job:
    task: Task
    name: str
    avoid: frozenset[str]
    state: str = "waiting"
    node: str = ""
    began: float = 0.0


@dataclass
class Tally:
    """Seconds of nodes, by what became of them; and how many tasks there were of each kind."""

    seconds: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, seconds: float) -> None:
        """Count a task."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds
        self.tasks[what] = self.tasks.get(what, 0) + 1


class Nodes:
    """A site and a desk in one, over a virtual clock.

    Args:
        count: of nodes.
        faults: what goes wrong.
        takes: the seconds of a task on a node; called when it begins.
        makes: the evidence of a task that was done on a node.
        drawn: decides what happens when.
    """

    def __init__(
        self,
        count: int,
        faults: Faults,
        *,
        takes: Callable[[Task], float],
        makes: Callable[[Task, str], Run],
        drawn: np.random.Generator,
    ) -> None:
        self._faults, self._takes, self._makes, self._drawn = faults, takes, makes, drawn
        differing = round(faults.differing * count)
        names = [f"node{number:02}" for number in range(1, count + 1)]
        self._nodes = {name: _Node(name, i < differing) for i, name in enumerate(names)}
        self._queue: deque[_Job] = deque()
        self._jobs: dict[str, _Job] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._runs: dict[str, Run] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count(1)
        self.now = 0.0
        self.tally = Tally()
        for node in self._nodes.values():
            self._at(self._next_failure(), lambda node=node: self._fails(node))  # type: ignore[misc]

    # The clock of the pool.

    def sleep(self, seconds: float) -> None:
        """Let time pass: at least so long, and until something happens."""
        until = self.now + seconds
        if self._events and self._events[0][0] > until and any(n.job for n in self._nodes.values()):
            until += seconds * -(-(self._events[0][0] - until) // seconds)
        while self._events and self._events[0][0] <= until:
            self.now, _, happens = heapq.heappop(self._events)
            happens()
            self._fill()
        self.now = until

    # The site.

    def nodes(self) -> frozenset[str]:
        """All of them, those that are down too."""
        return frozenset(self._nodes)

    def has_room(self, avoid: Collection[str]) -> bool:
        """Always: there is a queue."""
        return True

    def submit(self, record: Record, *, avoid: Collection[str]) -> str:
        """Queue a job, first in, first out."""
        job = _Job(record.task, record.order.name, frozenset(avoid))
        self._jobs[job.name] = job
        self._queue.append(job)
        self._fill()
        return job.name

    def states(self, jobs: Mapping[str, str]) -> dict[str, JobState]:
        """What became of jobs."""
        found = {}
        for name in jobs:
            job = self._jobs[name]
            what = job.state
            assert what in ("waiting", "running", "gone")
            found[name] = JobState(what, job.node, "node failed" if what == "gone" else "")  # type: ignore[arg-type]
        return found

    def cancel(self, job: str) -> None:
        """End a job at once."""
        found = self._jobs[job]
        if found.state == "running":
            self._leave(found, "cancelled")
        found.state = "gone"
        self._fill()

    def close(self) -> None:
        """Nothing is held."""

    # The desk.

    def unfinished(self, directory: Path) -> list[Record]:
        """None: nobody came before us."""
        return []

    def asks(self, directory: Path) -> str:
        """The same of all."""
        return "the same"

    def write(self, task: Task) -> Record:
        """An order, in memory."""
        name = NAMES.format(next(self._numbers))
        order = Order(
            launcher="simulated",
            name=name,
            draw=task.draw,
            attempt=task.attempt,
            moves=task.moves,
            not_on=task.not_on,
            data="",
            written_at="",
        )
        return Record(task.directory / "tasks" / f"{name}.json", order)

    def sent(self, record: Record, job: str) -> None:
        """Kept with the job."""

    def job(self, record: Record) -> str | None:
        """The same as its name."""
        return record.order.name

    def node(self, record: Record) -> str:
        """Where it ran."""
        return self._jobs[record.order.name].node

    def outcome(self, record: Record) -> Outcome | None:
        """What the node wrote down."""
        return self._outcomes.get(record.order.name)

    def close_order(self, record: Record, outcome: Outcome) -> None:
        """What the pool wrote down."""
        self._outcomes.setdefault(record.order.name, outcome)

    def run(self, record: Record) -> Run | None:
        """The evidence of a task that was done."""
        return self._runs.get(record.order.name)

    def give_up(self, record: Record, why: str) -> bool:
        """Nobody is left on a node that died."""
        return True

    # What happens.

    def _at(self, moment: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), happens))

    def _next_failure(self) -> float:
        return self.now + float(self._drawn.exponential(self._faults.between_failures))

    def _fill(self) -> None:
        """Begin jobs on free nodes, in their order; one whose nodes are all busy lets others by."""
        free = {node.name for node in self._nodes.values() if node.up and not node.job}
        passed: list[_Job] = []
        while self._queue and free:
            job = self._queue.popleft()
            if job.state != "waiting":
                continue
            fitting = free - job.avoid
            if fitting:
                name = min(fitting)
                free.remove(name)
                self._begin(job, self._nodes[name])
            else:
                passed.append(job)
        self._queue.extendleft(reversed(passed))

    def _begin(self, job: _Job, node: _Node) -> None:
        job.state, job.node, job.began, node.job = "running", node.name, self.now, job.name
        seconds = self._faults.refusal if node.differs else self._takes(job.task)
        self._at(self.now + seconds, lambda: self._ends(job, node))

    def _ends(self, job: _Job, node: _Node) -> None:
        if node.job != job.name or job.state != "running":
            return  # the node died before, or it was cancelled
        if node.differs:
            why = "the image is not the one that the verification was begun with"
            self._outcomes[job.name] = Outcome(how="refused", node=node.name, why=why)
        else:
            self._runs[job.name] = self._makes(job.task, node.name)
            self._outcomes[job.name] = Outcome(how="done", node=node.name)
        self._leave(job, self._outcomes[job.name].how)

    def _leave(self, job: _Job, what: str) -> None:
        job.state = "gone"
        self._nodes[job.node].job = ""
        self.tally.add(what, self.now - job.began)

    def _fails(self, node: _Node) -> None:
        if node.job:
            self._leave(self._jobs[node.job], "lost")
        node.up = False
        self._at(self.now + self._faults.repair, lambda: self._comes_back(node))

    def _comes_back(self, node: _Node) -> None:
        node.up = True
        self._at(self._next_failure(), lambda: self._fails(node))
