"""Wraps every command: signals, errors and lost outputs each get their exit code.

Python itself would exit with 1 after an unexpected error, which here means REJECTED.
"""

import contextlib
import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.safeio.interrupts import SIGNALS
from harness.safeio.output import output_lost, say, settle

EXIT_REJECTED, EXIT_USAGE, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED = 1, 2, 3, 130
_LAST_FRAMES = 30
_NAMED_WRONGLY = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)
"""What the system says of a path that somebody named, and not of a disk that fails."""


def guarded(command: Callable[[], int]) -> int:
    """Run a command; return its exit code, or, after one message, the code of what stopped it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As Python itself does for stderr: a name may hold what no encoding has. A stream that is
        # closed, or was inherited for another file, stays as it is.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.reconfigure(errors="backslashreplace")
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup requests
            signal.signal(number, _interrupt)
    code = _caught(command)
    lost = settle(sys.stdout)
    if lost and not isinstance(lost, BrokenPipeError):
        code = _told(output_lost(lost))
    settle(sys.stderr)
    for number in SIGNALS:
        if signal.getsignal(number) is _overheard:
            signal.signal(number, signal.SIG_IGN)  # Python removes handlers before it exits
    return code


def _caught(command: Callable[[], int]) -> int:
    try:
        return command()
    except SystemExit as end:  # argparse: after its help, or its message about wrong usage
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        say("interrupted; finish with --resume")
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort
        return _told(error)


def _told(error: Exception) -> int:
    if isinstance(error, OSError):
        error = _of_a_file(error)
    if isinstance(error, HarnessError):
        ours = isinstance(error, InfrastructureError)
        say(f"INCONCLUSIVE: {error}" if ours else str(error))
        return EXIT_INCONCLUSIVE if ours else EXIT_USAGE
    if isinstance(error, BrokenPipeError):  # nobody is left to read a message
        return EXIT_INTERRUPTED
    say(
        f"{traceback.format_exc(limit=-_LAST_FRAMES)}\n"
        "INCONCLUSIVE: an unforeseen failure of the harness itself; please report it"
    )
    return EXIT_INCONCLUSIVE


def _of_a_file(error: OSError) -> Exception:
    """The error for a file that the system refuses, where it names one; else the same."""
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return error
    file = os.fsdecode(error.filename)
    if error.errno in _NAMED_WRONGLY:
        return UsageError(
            f"cannot be looked at: {error.strerror}",
            file=file,
            remedy="name a path that exists, and see that you may read it and enter its folders",
        )
    return InfrastructureError(
        f"cannot be read or written: {error.strerror or error}",
        file=file,
        remedy="see that it is still there and that its disk works, then try again",
    )


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Stop the command, once: a second signal must not interrupt the cleanup after the first."""
    for each in SIGNALS:
        # Not SIG_IGN: Python complains about a signal that is pending while it is set.
        signal.signal(each, _overheard)
    raise KeyboardInterrupt


def _overheard(number: int, frame: FrameType | None) -> None:
    """Ignore the signal; cleaning up goes on."""
