"""Killing processes that a phase left: its session, its descendants, and whoever bears our mark.

A process group is not enough: torchrun gives each worker a session of its own, and a process
whose parent has died is nobody's descendant. The mark is a variable that every process of the
phase inherits; only one that cleans its environment on purpose escapes, from a rehearsal.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.sandbox.limits import MARKER

if TYPE_CHECKING:
    import psutil

_ROUNDS = 50
_PAUSE_SECONDS = 0.02


def kill_tree(root: int, *, leads_group: bool) -> None:
    """SIGKILL to a child of ours, its group, its session, and all of its descendants.

    ``leads_group`` says that the child has not been waited for, so that its number cannot have
    been given to another process group.
    """
    import psutil

    victims: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        if leads_group:
            # Captured before the kill: afterwards they are no longer its children.
            victims = psutil.Process(root).children(recursive=True)
    victims += [process for process in psutil.process_iter() if _session(process.pid) == root]
    if leads_group:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(root, signal.SIGKILL)
    _kill(victims)


def kill_orphans(is_mine: Callable[[str], bool]) -> None:
    """SIGKILL to every process whose mark ``is_mine``, until none is left (they may fork)."""
    import psutil

    for _ in range(_ROUNDS):
        victims = [
            process
            for process in psutil.process_iter()
            if process.pid != os.getpid() and is_mine(mark(process.pid) or "")
        ]
        if not victims:
            return
        signal_groups(victims, signal.SIGKILL)
        _kill(victims)
        time.sleep(_PAUSE_SECONDS)


def members(root: int, token: str) -> "list[psutil.Process]":
    """A child of ours, all that descends from it, its session, and all that bears ``token``."""
    import psutil

    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(root)
        found = {process.pid: process for process in (first, *first.children(recursive=True))}
    for process in psutil.process_iter():
        known = process.pid in found or process.pid == os.getpid()
        if not known and (_session(process.pid) == root or mark(process.pid) == token):
            found[process.pid] = process
    return list(found.values())


def signal_groups(processes: "list[psutil.Process]", number: signal.Signals) -> None:
    """A signal to the process groups of these, whoever is in them.

    One that forks and ends all the time is never met by its number. But the kernel gives a group's
    signal to all of it at once: who is being made meanwhile is made again after it, or not at all.
    """
    for group in {_group(process.pid) for process in processes} - {-1, os.getpgrp()}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _kill(victims: "list[psutil.Process]") -> None:
    import psutil

    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.kill()


def _group(process: int) -> int:
    try:
        return os.getpgid(process)
    except OSError:
        return -1


def _session(process: int) -> int:
    try:
        return os.getsid(process)
    except OSError:
        return -1


def mark(process: int) -> str | None:
    """The mark that a process carries; None when it is gone or not ours to look at."""
    import psutil

    try:
        return str(psutil.Process(process).environ().get(MARKER, ""))
    except (psutil.Error, OSError):
        return None
