"""Holding the processes of a phase still, and letting them go on.

SIGSTOP cannot be caught or ignored, but it reaches who is there: a process that was just made, or
that another lets go on, is found by looking again, until nothing that runs is found, and nobody
whom we found has gone. It goes to whole groups, since who forks and ends is gone before we look.
Who cleans the mark out of its environment on purpose and detaches is not found, as anywhere in a
rehearsal.
"""

import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.sandbox.process import orphans

if TYPE_CHECKING:
    import psutil

_CLEAN_LOOKS = 2  # one could have been let go on behind the first look's back
_PAUSE_SECONDS = 0.001
_SECONDS = 10.0


def hold(root: int, token: str) -> bool:
    """Stop the child ``root``, all that descends from it, and all that bears the mark ``token``.

    Returns:
        Whether nothing runs any more and ``root`` is there; False when it has ended by itself.

    Raises:
        InfrastructureError: something still ran after some seconds; all of it goes on again.
    """
    until = time.monotonic() + _SECONDS
    clean = 0
    while clean < _CLEAN_LOOKS:
        found = orphans.members(root, token)
        if not any(process.pid == root and not _is_dead(process) for process in found):
            release(root, token)
            return False
        _send(found, signal.SIGSTOP)
        clean = clean + 1 if all(_is_still(process) for process in found) else 0
        if time.monotonic() > until:
            release(root, token)
            raise InfrastructureError(
                "the processes of a phase could not all be stopped",
                remedy="look for processes stuck in the kernel (state D); then --resume",
            )
        time.sleep(_PAUSE_SECONDS)
    return True


def release(root: int, token: str) -> None:
    """Let all of them go on."""
    _send(orphans.members(root, token), signal.SIGCONT)


def _send(processes: "list[psutil.Process]", number: signal.Signals) -> None:
    import psutil

    orphans.signal_groups(processes, number)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.send_signal(number)


def _is_still(process: "psutil.Process") -> bool:
    """Whether none of its threads runs or can run; False of one that is gone, and left others."""
    import psutil

    try:
        if sys.platform != "linux":
            return bool(process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE))
        return all(_state(task / "stat") in "TtZX" for task in _tasks(process))
    except (OSError, psutil.Error):
        return False


def _is_dead(process: "psutil.Process") -> bool:
    """Whether its first thread has ended; the others end with it, or it was killed."""
    import psutil

    try:
        return bool(process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    except psutil.NoSuchProcess:
        return True


def _tasks(process: "psutil.Process") -> list[Path]:
    return list(Path(f"/proc/{process.pid}/task").iterdir())


def _state(path: Path) -> str:
    try:
        return path.read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
        return "X"
