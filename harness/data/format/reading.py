"""What all readers of a dataset share: errors that name the file, and progress.

A file of a dataset is ours to restore. A file that the user named is the user's to mend: with
``own``, what is wrong with it is a UsageError.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from harness.errors import HarnessError, InfrastructureError, Problem, UsageError
from harness.safeio.parsing import LONGEST_TEXT, Model, ParseError, parse_model, problems_of
from harness.safeio.reading import NotRegularError, TooLargeError, open_named, read_named

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is in all."""

RESTORE = (
    "copy the dataset again from where it came from: `harness data fetch` brings one of the "
    "field, `harness data demo` builds the demo dataset again"
)

MEND = "mend that line of the file, or name another file"


def silent(what: str, done: int, total: int) -> None:
    """Report no progress."""


def damaged(
    path: Path,
    problem: str = "",
    *,
    line: int | None = None,
    field: str | None = None,
    problems: Sequence[Problem] = (),
    own: bool = False,
) -> HarnessError:
    """The error for a file with invalid content: of a dataset, or the user's ``own``."""
    if own:
        remedy = "" if line is None else MEND
        return UsageError(
            problem, file=path, line=line, field=field, problems=problems, remedy=remedy
        )
    return InfrastructureError(
        problem, file=path, line=line, field=field, problems=problems, remedy=RESTORE
    )


@contextlib.contextmanager
def reading(path: Path, *, own: bool = False) -> Iterator[None]:
    """Turn an operating system error while reading ``path`` into one of ours.

    That is an InfrastructureError; where the user named the file, a UsageError.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise damaged(path, "no such file" if own else "missing", own=own) from error
    except NotRegularError as error:
        linked = "a symbolic link; a mounted directory cannot follow it"
        problem = linked if error.kind == "symbolic link" else "not a regular file"
        raise damaged(Path(error.filename), problem, own=own) from error
    except TooLargeError as error:
        raise damaged(path, f"{error.strerror}", own=own) from error
    except OSError as error:
        family = UsageError if own else InfrastructureError
        raise family(
            f"cannot be read: {error.strerror or error}",
            file=path,
            remedy="check that it is a regular file that you may read",
        ) from error


def regular_file_bytes(path: Path, *, own: bool = False) -> int:
    """The size of a regular file in bytes.

    Raises:
        InfrastructureError: it is missing, or a directory, FIFO, socket or device; a UsageError
            where it is the user's ``own``.
    """
    with reading(path, own=own), open_named(path) as file:
        return os.fstat(file.fileno()).st_size


def content_of(path: Path, *, limit_bytes: int, own: bool = False) -> bytes:
    """Read the whole of a file that must not be large.

    Raises:
        InfrastructureError: it is missing, not a regular file, larger, or cannot be read; a
            UsageError where it is the user's ``own``.
    """
    with reading(path, own=own):
        return read_named(path, limit_bytes=limit_bytes)


def model_of(
    model: type[Model],
    path: Path,
    *,
    limit_bytes: int,
    longest_text: int = LONGEST_TEXT,
    about: str = "",
) -> Model:
    """Read a model from a JSON file.

    Args:
        model: what the file must hold.
        path: of the file.
        limit_bytes: the most bytes that are read.
        longest_text: the most characters of a text in it.
        about: what has the problems, for the message.

    Raises:
        InfrastructureError: missing, not JSON, or a key is unknown, missing or makes no sense;
            the message names the file and each field.
    """
    content = content_of(path, limit_bytes=limit_bytes)
    try:
        return parse_model(model, content, limit_bytes=limit_bytes, longest_text=longest_text)
    except ValidationError as error:
        raise damaged(path, about, problems=problems_of(error)) from error
    except ParseError as error:
        whole = Problem("", str(error), error.line)
        raise damaged(path, about, problems=[whole]) from error
