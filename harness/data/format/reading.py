"""What every reader of a dataset shares: errors that name the file, and progress."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import InfrastructureError
from harness.safeio.reading import NotRegularError, TooLargeError, open_named, read_named

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is in all."""

RESTORE = (
    "copy the dataset again from where it came from: `harness data fetch` brings one of the "
    "field, `harness data demo` builds the demo dataset again"
)


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def damaged(path: Path, problem: str) -> InfrastructureError:
    """The error for a dataset file whose content is not what it must be."""
    return InfrastructureError(f"{path}: {problem}", remedy=RESTORE)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an operating system error while reading ``path`` into an InfrastructureError."""
    try:
        yield
    except FileNotFoundError as error:
        raise InfrastructureError(f"{path}: missing", remedy=RESTORE) from error
    except NotRegularError as error:
        linked = "a symbolic link; a mounted directory cannot follow it"
        problem = linked if error.kind == "symbolic link" else "not a regular file"
        raise damaged(Path(error.filename), problem) from error
    except TooLargeError as error:
        raise damaged(path, f"{error.strerror}") from error
    except OSError as error:
        raise InfrastructureError(
            f"{path}: cannot be read: {error.strerror or error}",
            remedy="check that it is a regular file that you may read",
        ) from error


def regular_file_bytes(path: Path) -> int:
    """Size of a regular file in bytes.

    Raises:
        InfrastructureError: missing, or a directory, FIFO, socket or device.
    """
    with reading(path), open_named(path) as file:
        return os.fstat(file.fileno()).st_size


def content_of(path: Path, *, limit_bytes: int) -> bytes:
    """The whole of a file that must not be large.

    Raises:
        InfrastructureError: missing, not a regular file, larger, or not to be read.
    """
    with reading(path):
        return read_named(path, limit_bytes=limit_bytes)
