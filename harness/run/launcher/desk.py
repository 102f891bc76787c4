"""What is written down about tasks that were sent to nodes: beside the evidence, not of it.

::

    RUN_DIR/tasks/
      N.json            what is to be done; written before the task is sent
      N.sent.json       as which job of the site; written once it was sent
      N.begun.json      on which node; written there
      N.ended.json      how it ended; written there, or here if the node could not
      N.log             what it printed

So a launching process may be killed at any moment: the next one reads here what was sent, asks the
site for it by its name, and takes what has ended meanwhile.
"""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from harness.errors import InfrastructureError, UsageError
from harness.evidence.draws import Draw
from harness.evidence.giving_up import give_up
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.models import Fact, Later, Spelled
from harness.run.launcher.protocol import Task
from harness.safeio.files import disk_errors, sha256_of_bytes, write_atomically
from harness.safeio.locks import BusyError
from harness.safeio.parsing import ParseError, parse_model, problems_of
from harness.safeio.reading import read_inside

TASKS = "tasks"
_LARGEST_BYTES = 1 << 20
AnyFact = TypeVar("AnyFact", bound=Fact)

How = Literal["done", "refused", "busy", "lost", "cancelled"]


def _moment(text: str) -> str:
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise ValueError("expected a moment with its time zone, as 2026-01-31T12:00:00+00:00")
    return text


class Order(Fact):
    """What is to be done: one try of one draw. ``name`` is the job's at the site.

    ``moves``, ``not_on``: see :class:`Task`.
    """

    format: Literal[1] = 1
    launcher: Annotated[str, Spelled(r"[a-z0-9_-]{1,50}", "the name of a launcher")]
    name: str = Field(pattern=r"^harness-[0-9a-f]{16}$")
    draw: int = Field(ge=0)
    attempt: int = Field(ge=1)
    moves: Later[Annotated[int, Field(ge=0)]] = None
    not_on: Later[Annotated[str, Field(max_length=200)]] = None
    data: Annotated[str, Spelled(r"[^\x00]*", "a path")]
    written_at: str


class Sent(Fact):
    """The site's own name of the job."""

    job: str = Field(min_length=1, max_length=200)


class Begun(Fact):
    """Where a task began."""

    node: str = Field(max_length=200)
    at: Annotated[str, AfterValidator(_moment)]


class Outcome(Fact):
    """How a task ended.

    ``done``: its evidence says the rest. ``refused``: the node is not what the plan asks of one.
    ``busy``: another harness is at that draw. ``lost``: by our side. ``cancelled``: by us.
    """

    how: How
    node: str = Field(default="", max_length=200)
    why: str = Field(default="", max_length=2000)
    at: Annotated[str, AfterValidator(lambda text: text and _moment(text))] = ""


@dataclass(frozen=True)
class Record:
    """An order and where it lies; ``path`` is that of ``N.json``."""

    path: Path
    order: Order

    @property
    def directory(self) -> Path:
        """The directory of the verification."""
        return self.path.parent.parent

    @property
    def task(self) -> Task:
        """What is to be done."""
        order = self.order
        return Task(self.directory, order.draw, order.attempt, order.moves or 0, order.not_on)

    @property
    def log(self) -> Path:
        """Where the task prints."""
        return self.path.with_suffix(".log")


class Desk(Protocol):
    """Where a pool writes down what it sends, and reads what nodes have written."""

    def unfinished(self, directory: Path) -> list[Record]:
        """Orders of a verification whose end nobody has written down."""

    def asks(self, directory: Path) -> str:
        """What the plan of a verification asks of a node, as one digest."""

    def write(self, task: Task) -> Record:
        """Write an order, before it is sent."""

    def sent(self, record: Record, job: str) -> None:
        """Write down as which job it was sent."""

    def job(self, record: Record) -> str | None:
        """The job that it was sent as, if that was written down."""

    def node(self, record: Record) -> str:
        """The node on which it began; empty if it has not."""

    def outcome(self, record: Record) -> Outcome | None:
        """How it ended, if the node wrote that down."""

    def close(self, record: Record, outcome: Outcome) -> None:
        """Write down how it ended, where the node did not."""

    def run(self, record: Record) -> Run | None:
        """The evidence of its try, as far as it came."""

    def give_up(self, record: Record, why: str) -> bool:
        """Take its try for lost; False while a harness still holds it, so that nothing is lost."""


class FileDesk:
    """The desk of real tasks; one process at a time writes orders, the one that holds the lock.

    Args:
        launcher: by which launcher they are sent.
        data: directory of the datasets on the nodes.
    """

    def __init__(self, launcher: str, data: str) -> None:
        self._launcher, self._data = launcher, data
        self._opened: dict[Path, RunDirectory] = {}

    def unfinished(self, directory: Path) -> list[Record]:
        """Orders of a verification whose end nobody has written down."""
        return [each for each in records(directory) if outcome_of(each) is None]

    def asks(self, directory: Path) -> str:
        """What the plan of a verification asks of a node, as one digest."""
        plan = self._open(directory).plan
        parts = (plan.required, plan.texts, plan.track.hardware)
        return sha256_of_bytes(b"".join(part.model_dump_json().encode() for part in parts))

    def write(self, task: Task) -> Record:
        """Write an order, before it is sent."""
        folder = task.directory.absolute() / TASKS
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
        number = max((int(path.stem) for path in _orders(task.directory)), default=0) + 1
        order = Order(
            launcher=self._launcher,
            name=f"harness-{secrets.token_hex(8)}",
            draw=task.draw,
            attempt=task.attempt,
            moves=task.moves or None,
            not_on=task.not_on,
            data=self._data,
            written_at=_now(),
        )
        record = Record(folder / f"{number}.json", order)
        _write(record.path, order)
        return record

    def sent(self, record: Record, job: str) -> None:
        """Write down as which job it was sent."""
        _write(_beside(record, "sent"), Sent(job=job))

    def job(self, record: Record) -> str | None:
        """The job that it was sent as, if that was written down."""
        found = _read(_beside(record, "sent"), Sent)
        return found.job if found else None

    def node(self, record: Record) -> str:
        """The node on which it began; empty if it has not."""
        found = begun_of(record)
        return found.node if found else ""

    def outcome(self, record: Record) -> Outcome | None:
        """How it ended, if the node wrote that down."""
        return outcome_of(record)

    def close(self, record: Record, outcome: Outcome) -> None:
        """Write down how it ended, where the node did not."""
        close(record, outcome)

    def run(self, record: Record) -> Run | None:
        """The evidence of its try, as far as it came."""
        directory = self._open(record.directory)
        draw = draw_of(record, directory)
        tries = directory.tries(draw)
        return next((run for run in tries if run.attempt == record.order.attempt), None)

    def give_up(self, record: Record, why: str) -> bool:
        """Take its try for lost; False while a harness still holds it, so that nothing is lost."""
        directory = self._open(record.directory)
        draw = draw_of(record, directory)
        try:
            give_up(directory, draw, record.order.attempt, why)
        except BusyError:
            return False
        return True

    def _open(self, path: Path) -> RunDirectory:
        if path not in self._opened:
            self._opened[path] = RunDirectory.open(path)
        return self._opened[path]


def open_record(path: Path) -> Record:
    """An order, by the path of its file.

    Raises:
        UsageError: it is not there, or is none.
    """
    order = _read(path, Order)
    if order is None:
        raise UsageError("no order of a launcher", file=path)
    return Record(path.absolute(), order)


def records(directory: Path) -> list[Record]:
    """Every order of a verification, in the order in which they were written."""
    found = []
    for path in sorted(_orders(directory), key=lambda path: int(path.stem)):
        found.append(open_record(path))
    return found


def draw_of(record: Record, directory: RunDirectory) -> Draw:
    """The draw that an order is of.

    Raises:
        UsageError: the plan has none of that number.
    """
    draws, number = directory.plan.draws, record.order.draw
    if number >= len(draws):
        raise UsageError(
            f"expected one of the {len(draws)} draws of the plan, from 0; found {number}",
            file=record.path,
            field="draw",
            remedy="remove the order, and finish the verification with --resume",
        )
    return draws[number]


def begun_of(record: Record) -> Begun | None:
    """Where and when a task began, if it has."""
    return _read(_beside(record, "begun"), Begun)


def outcome_of(record: Record) -> Outcome | None:
    """How a task ended, if that was written down."""
    return _read(_beside(record, "ended"), Outcome)


def begin(record: Record, node: str) -> None:
    """Write down on which node a task begins."""
    _write(_beside(record, "begun"), Begun(node=node, at=_now()))


def close(record: Record, outcome: Outcome) -> None:
    """Write down how a task ended, unless that was done already."""
    if outcome_of(record) is None:
        _write(_beside(record, "ended"), outcome.model_copy(update={"at": _now()}))


def _orders(directory: Path) -> Iterator[Path]:
    return (p for p in (directory / TASKS).glob("*.json") if p.stem.isdecimal())


def _beside(record: Record, what: str) -> Path:
    return record.path.with_name(f"{record.path.stem}.{what}.json")


def _write(path: Path, model: Fact) -> None:
    write_atomically(path, model.model_dump_json(indent=2).encode() + b"\n")


def _read(path: Path, model: type[AnyFact]) -> AnyFact | None:
    """What a file says; None if it is not there, or is seen here only later."""
    with contextlib.suppress(FileNotFoundError):
        try:
            content = read_inside(path.parent, path.name, limit_bytes=_LARGEST_BYTES)
            return parse_model(model, content, limit_bytes=_LARGEST_BYTES)
        except ValidationError as error:
            raise UsageError("damaged", file=path, problems=problems_of(error)) from error
        except ParseError as error:
            raise UsageError(f"damaged: {error}", file=path) from error
        except FileNotFoundError:
            raise
        except OSError as error:
            raise InfrastructureError(f"cannot be read: {error.strerror}", file=path) from error
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
