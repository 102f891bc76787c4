"""What waits, runs, is done or lost in a directory of runs: read from its files, and the site.

Nothing here changes anything; whoever may read the directory may look, on any machine.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from harness.errors import HarnessError, InfrastructureError
from harness.evidence.draws import Draw
from harness.evidence.earlier import kept_word
from harness.evidence.places import PLAN, VERDICT
from harness.evidence.run import Run
from harness.evidence.step_names import Role
from harness.evidence.store import RunDirectory
from harness.judge.next_step import next_step
from harness.judge.stored import read_case
from harness.models import Fact
from harness.run.launcher.desk import Begun, Record, begun_of, outcome_of, records
from harness.run.launcher.site import JobState
from harness.safeio.looking import is_there, names_in
from harness.safeio.text import storable

State = Literal["waiting", "running", "done", "lost"]
Asked = Callable[[str, Mapping[str, str]], Mapping[str, JobState] | None]
"""Asks the site of a launcher for the states of jobs, by their names; None where none answers."""


class QueuedRun(Fact):
    """A draw that was run, runs, or is wanted now.

    ``waiting``: sent and not begun, or wanted and not sent yet. ``running``: a harness holds it.
    ``lost``: its last try is, or nobody works on it any more. ``step`` is the last one that it
    has done; ``seconds`` since it began, or that it took; ``why`` what else is known.
    """

    seed: int
    role: Role
    state: State
    tries: int = Field(ge=0)
    node: str = ""
    step: str = ""
    seconds: float | None = None
    why: str = ""


class QueuedSubmission(Fact):
    """A verification. ``state``: it has its verdict, runs are under way, or nobody works on it."""

    directory: str
    name: str
    track: str
    state: Literal["judged", "under way", "open", "damaged"]
    verdict: str = ""
    why: str = ""
    runs: tuple[QueuedRun, ...] = ()


class QueuedNode(Fact):
    """A node: what runs there now, and what became of the tasks that it was sent."""

    node: str
    running: int = 0
    done: int = 0
    lost: int = 0
    refused: int = 0
    why: str = ""


class Queue(Fact):
    """All verifications in a directory of runs, and the nodes that worked for them.

    ``left_seconds``: about how long it takes to make the runs that are wanted now, by the mean of
    those that are done; looks may ask for more. Null where none is done, or none is wanted.
    """

    format: Literal[1] = 1
    at: str
    submissions: tuple[QueuedSubmission, ...] = ()
    nodes: tuple[QueuedNode, ...] = ()
    waiting: int = 0
    running: int = 0
    done: int = 0
    lost: int = 0
    left_seconds: float | None = None

    @property
    def goes_on(self) -> bool:
        """Whether anything is under way."""
        return any(each.state == "under way" for each in self.submissions)


class _End(NamedTuple):
    """What became of a task, and on which node; ``running`` while nothing of it is written."""

    node: str
    how: str
    why: str


class _Seen(NamedTuple):
    """A verification, and what became of the tasks that were sent for it."""

    submission: QueuedSubmission
    ends: tuple[_End, ...]


@dataclass
class QueueReader:
    """Reads a directory again and again; what was judged is read once.

    Args:
        runs: the directory.
        asked: asks the site for jobs.
    """

    runs: Path
    asked: Asked = lambda launcher, names: None
    _judged: dict[Path, tuple[int, _Seen]] = field(default_factory=dict)

    def read(self) -> Queue:
        """What is there now."""
        paths = [self.runs / name for name in names_in(self.runs) if _may_be_one(self.runs / name)]
        seen = []
        for path in paths:
            found = self._kept(path)
            if found is None:
                found = _read(path, self.asked)
                if found.submission.state == "judged":
                    self._judged[path] = ((path / VERDICT).stat().st_mtime_ns, found)
            seen.append(found)
        submissions = [each.submission for each in seen]
        counts = Counter(run.state for each in submissions for run in each.runs)
        return Queue(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            submissions=tuple(submissions),
            nodes=_nodes([end for each in seen for end in each.ends]),
            **{state: counts[state] for state in ("waiting", "running", "done", "lost")},
            left_seconds=_left(submissions),
        )

    def _kept(self, path: Path) -> _Seen | None:
        stamp, found = self._judged.get(path, (0, None))
        try:
            return found if (path / VERDICT).stat().st_mtime_ns == stamp else None
        except OSError:
            return None


def _may_be_one(path: Path) -> bool:
    """Whether it is a verification, or nobody can tell: then it is shown as damaged."""
    try:
        return is_there(path / PLAN)
    except InfrastructureError:
        return True


def _read(path: Path, asked: Asked) -> _Seen:
    ends: tuple[_End, ...] = ()
    try:
        orders = records(path)
        ends = tuple(_end_of(each) for each in orders)
        directory = RunDirectory.open(path)
        open_ones = [each for each in orders if outcome_of(each) is None]
        names = {each.order.name: "" for each in open_ones}
        states = asked(open_ones[0].order.launcher, names) if names else {}
        runs = tuple(_runs(directory, orders, states))
        word = kept_word(directory)
    except (HarnessError, ArithmeticError, ValueError, OSError) as error:
        why = error.message if isinstance(error, HarnessError) else f"{path / PLAN}: {error}"
        damaged = QueuedSubmission(
            directory=storable(str(path)),
            name=storable(path.name),
            track="",
            state="damaged",
            why=storable(why),
        )
        return _Seen(damaged, ends)
    plan = directory.plan
    going = any(run.state == "running" for run in runs) or bool(open_ones) or directory.is_held()
    settled = word is not None and not any(run.state == "waiting" for run in runs)
    submission = QueuedSubmission(
        directory=storable(str(path)),
        name=plan.entry.name,
        track=plan.track.name,
        state="judged" if settled and not open_ones else "under way" if going else "open",
        verdict=word or "",
        runs=runs,
    )
    return _Seen(submission, ends)


def _runs(
    directory: RunDirectory, orders: list[Record], states: Mapping[str, JobState] | None
) -> Iterator[QueuedRun]:
    """Every draw of which there is anything to say, in the order of the draws."""
    last = {each.order.draw: each for each in orders}
    case = read_case(directory)
    wanted = {draw.number for draw in next_step(case).draws}
    fresh = {draw.number for draw in next_step(case, confirming=True).draws}
    for draw in directory.plan.draws:
        tries = directory.attempts(draw)
        if tries or draw.number in wanted or draw.number in last:
            order, goes_on = last.get(draw.number), draw.number in wanted | fresh
            yield _run(directory, draw, tries, order, states, goes_on=goes_on)


def _run(
    directory: RunDirectory,
    draw: Draw,
    tries: int,
    order: Record | None,
    states: Mapping[str, JobState] | None,
    *,
    goes_on: bool,
) -> QueuedRun:
    counted = directory.counted(draw)
    every = directory.tries(draw)
    newest = every[-1] if every else None
    begun = begun_of(order) if order else None
    outcome = outcome_of(order) if order else None
    state, node, why = _state_of(directory, draw, counted, order, states, goes_on=goes_on)
    if outcome is not None and state == "lost":
        why = why or outcome.why
    done = newest.steps[-1].name if newest is not None and newest.steps else ""
    return QueuedRun(
        seed=draw.seed,
        role=draw.role,
        state=state,
        tries=tries,
        node=node or (begun.node if begun else "") or (newest.hosts[-1].node if newest else ""),
        step=done if state == "running" else "",
        seconds=_seconds(begun, outcome.at if outcome else None, state, counted),
        why=why,
    )


def _state_of(
    directory: RunDirectory,
    draw: Draw,
    counted: Run | None,
    order: Record | None,
    states: Mapping[str, JobState] | None,
    *,
    goes_on: bool,
) -> tuple[State, str, str]:
    """What a draw is at, where, and why, by its evidence, its lock, its order and the site.

    ``goes_on``: whether its verification still wants it.
    """
    if counted is not None and not counted.lost:
        return "done", "", ""
    if directory.is_held(draw):
        return "running", "", ""
    if order is not None and outcome_of(order) is None:
        return _state_of_job(order, states)
    waiting = directory.waiting(draw)
    if goes_on and waiting is not None:
        node = waiting.hosts[-1].node or "one without a name"
        return "waiting", "", f"to be asked again on another machine than {node}"
    if directory.attempts(draw):
        given_up = [run.given_up for run in directory.tries(draw) if run.given_up]
        failed = counted.failure.reason if counted and counted.failure else ""
        return "lost", "", failed or (given_up[-1] if given_up else "")
    return "waiting", "", "not sent yet"


def _state_of_job(order: Record, states: Mapping[str, JobState] | None) -> tuple[State, str, str]:
    """What an order is at whose draw nobody holds: it waits, or just begins, or is lost."""
    job = (states or {}).get(order.order.name)
    if job is not None and job.what != "gone":
        return ("waiting" if job.what == "waiting" else "running"), job.node, job.why
    if states is None and begun_of(order) is None:
        return "waiting", "", "its site does not answer here"
    return "lost", "", "its job is gone: finish it with --resume"


def _seconds(
    begun: Begun | None, ended: str | None, state: State, counted: Run | None
) -> float | None:
    if begun is not None:
        until = datetime.fromisoformat(ended) if ended else datetime.now(UTC)
        return max(0.0, (until - datetime.fromisoformat(begun.at)).total_seconds())
    if state == "done" and counted is not None:
        return sum(phase.wallclock_seconds for step in counted.steps for phase in step.phases)
    return None


def _end_of(record: Record) -> _End:
    begun, outcome = begun_of(record), outcome_of(record)
    if outcome is None:
        return _End(begun.node if begun else "", "running", "")
    return _End(outcome.node or (begun.node if begun else ""), outcome.how, outcome.why)


def _nodes(ends: Iterable[_End]) -> tuple[QueuedNode, ...]:
    """What became of every task, by the node that it was sent to."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    why: dict[str, str] = {}
    for end in ends:
        if end.node and end.how != "cancelled":
            counts[end.node]["lost" if end.how == "busy" else end.how] += 1
        if end.how in ("lost", "refused"):
            why[end.node] = end.why
    return tuple(
        QueuedNode(node=node, why=why.get(node, ""), **counts[node]) for node in sorted(counts)
    )


def _left(submissions: list[QueuedSubmission]) -> float | None:
    runs = [run for each in submissions for run in each.runs if run.role != "preparation"]
    took = [run.seconds for run in runs if run.state == "done" and run.seconds is not None]
    running = [run for run in runs if run.state == "running"]
    waiting = sum(run.state == "waiting" for run in runs)
    if not took or not (running or waiting):
        return None
    mean = sum(took) / len(took)
    rest = sum(max(0.0, mean - (run.seconds or 0.0)) for run in running)
    return (waiting * mean + rest) / max(len(running), 1)
