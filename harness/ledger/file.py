"""The file that a leaderboard is kept in: read whole, and one event added at a time.

An event is added under a lock and the file replaced whole, so that two maintainers (or two jobs)
who add one at the same moment both find theirs in it.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from harness.errors import UsageError
from harness.ledger.chain import MOST_EVENTS, Leaderboard, broken_link, leaderboard_json
from harness.ledger.events import Accepted, Event, Joined, Parted, Retracted, Tried
from harness.models import Fact
from harness.package import SHIPPED, in_checkout
from harness.safeio.files import disk_errors, write_atomically
from harness.safeio.parsing import parse_model, problems_of
from harness.safeio.reading import TooLargeError, read_named

FILE_NAME = "leaderboard.json"
LARGEST_BYTES = 64 << 20

Made = TypeVar("Made", Accepted, Retracted, Tried, Joined, Parted)


class _Format1(Fact):
    """What a leaderboard was before it was a chain."""

    format: Literal[1]
    records: tuple[Any, ...]


def default_path() -> Path:
    """The leaderboard that comes with this harness: in a checkout, the checkout's own."""
    return SHIPPED / FILE_NAME


def load_leaderboard(path: Path) -> Leaderboard:
    """Read a leaderboard; an empty one of format 1 is an empty chain.

    Raises:
        UsageError: no such file, too large, not a leaderboard, or its chain is broken.
    """
    try:
        content = read_named(path, limit_bytes=LARGEST_BYTES)
        board = parse_model(Leaderboard, content, limit_bytes=LARGEST_BYTES)
    except TooLargeError as error:
        raise UsageError(f"{path}: {error.strerror}; not a leaderboard") from error
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror or error}; name a leaderboard with "
            '--leaderboard, or begin one: a file that holds {"format": 2, "events": []}'
        ) from error
    except ValidationError as error:
        if _is_empty_format_1(path, content):
            return Leaderboard()
        raise UsageError("not a leaderboard", file=path, problems=problems_of(error)) from error
    except ValueError as error:
        raise UsageError(f"{path}: not a leaderboard: {error}") from error
    if broken := broken_link(board):
        raise UsageError(f"{path}: a broken chain: {broken}; restore the file from git's history")
    return board


def _is_empty_format_1(path: Path, content: bytes) -> bool:
    try:
        earlier = _Format1.model_validate_json(content)
    except ValidationError:
        return False
    if earlier.records:
        raise UsageError(
            f"{path}: a leaderboard of format 1 with {len(earlier.records)} records, which names "
            'nobody who accepted them: begin a new file, {"format": 2, "events": []}, and accept '
            "their verdicts again"
        )
    return True


def make_event(kind: type[Made], **fields: object) -> Made:
    """An event of now.

    Raises:
        UsageError: these fields make none.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        return kind.model_validate({"at": now, **fields})
    except ValidationError as error:
        raise UsageError("not an event", problems=problems_of(error)) from error


def append(path: Path, event: Callable[[Leaderboard], Event | None]) -> bool:
    """Add the event that a leaderboard asks for, if any; whether it was added.

    Raises:
        UsageError: not a leaderboard that events are added to.
    """
    if path == default_path() and not in_checkout():
        raise UsageError(
            "the leaderboard that was installed with the harness is only read",
            file=path,
            remedy="copy it to where you keep your own, and name that with --leaderboard",
        )
    path = Path(os.path.realpath(path))
    with _locked(path):
        board = load_leaderboard(path)
        made = event(board)
        if made is not None:
            if len(board.events) >= MOST_EVENTS:
                raise UsageError(
                    f"full: it holds {len(board.events):,} events, and none may hold more",
                    file=path,
                    remedy="keep it as it is, and begin a new one for what comes",
                )
            write_atomically(path, leaderboard_json(board.plus(made)))
    return made is not None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder, not the file: the file is replaced while it is held."""
    with disk_errors(path):
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with disk_errors(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
