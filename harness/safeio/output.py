"""Lines for people on the standard streams, which may fail: disk full, closed, reader gone."""

import contextlib
import os
import sys
from typing import TextIO

from harness.errors import InfrastructureError


def output_lost(error: OSError) -> InfrastructureError:
    """The error for an output that cannot be written; from then on stdout is discarded."""
    settle(sys.stdout)
    return InfrastructureError(
        f"cannot write to standard output: {error.strerror or error}",
        remedy="send it to a terminal, or to a file on a disk with some space",
    )


def tell(text: str) -> None:
    """Print a line on stdout; raises InfrastructureError when it cannot be written."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        settle(sys.stdout)  # the exit code is useful by itself
    except OSError as error:
        raise output_lost(error) from error


def say(message: str) -> None:
    """Print a message on stderr, as plain text, because it may quote untrusted text."""
    from harness.safeio.text import plain

    lines = [plain(line, 2000) for line in message.splitlines()]
    with contextlib.suppress(OSError):
        print("harness: " + "\n".join(lines), file=sys.stderr)


def settle(stream: TextIO | None) -> OSError | None:
    """Flush; discard what cannot be written, since it would make Python fail at exit."""
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return error
    return None
