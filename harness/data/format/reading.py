"""What every reader of a dataset shares: errors that name the file, and progress."""

import contextlib
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.errors import InfrastructureError, Problem

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is in all."""

RESTORE = (
    "copy the dataset again from where it came from: `harness data fetch` brings one of the "
    "field, `harness data demo` builds the demo dataset again"
)


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def damaged(
    path: Path,
    problem: str = "",
    *,
    line: int | None = None,
    field: str | None = None,
    problems: Sequence[Problem] = (),
) -> InfrastructureError:
    """The error for a dataset file whose content is not what it must be.

    ``problems`` may hold strings of the file, which are made fit to print.
    """
    shown = [Problem(printable(p.field), printable(p.detail, limit=400)) for p in problems]
    return InfrastructureError(
        problem, file=path, line=line, field=field, problems=shown, remedy=RESTORE
    )


def printable(text: str, *, limit: int = 200) -> str:
    """``text`` on one line, without control characters, at most ``limit`` characters."""
    shown = "".join(c if c.isprintable() else "?" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an operating system error while reading ``path`` into an InfrastructureError."""
    try:
        yield
    except FileNotFoundError as error:
        raise InfrastructureError("missing", file=path, remedy=RESTORE) from error
    except OSError as error:
        raise InfrastructureError(
            f"cannot be read: {error.strerror or error}",
            file=path,
            remedy="check that it is a regular file that you may read",
        ) from error


def regular_file_bytes(path: Path) -> int:
    """Size of a regular file in bytes.

    Raises:
        InfrastructureError: missing, or a directory, FIFO, socket or device (opening a FIFO
            would wait for ever).
    """
    with reading(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise damaged(path, "not a regular file")
    return status.st_size
