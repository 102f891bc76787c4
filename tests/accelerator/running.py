"""Runs one step as a process of its own, and ends it with all its children at its limit."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.accelerator.desk import REPOSITORY, found

_LOG_BYTES = 3_000
_POLL_SECONDS = 0.05
_ROUNDS = 50
_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


@dataclass(frozen=True)
class Outcome:
    """How a step went: ``done``, ``failed``, ``killed`` at its limit, or ``not tried``."""

    state: str
    seconds: float
    figures: dict[str, Any]
    lacking: list[dict[str, str]]
    why: str = ""


def run_step(
    module: str, told: dict[str, Any], *, limit_seconds: float, without: tuple[str, ...] = ()
) -> Outcome:
    """Run a step in a process of its own.

    Args:
        module: of the step: in ``tests.accelerator.steps``, or with its whole name.
        told: what its desk is made of.
        limit_seconds: after so many it is killed with all that descends from it.
        without: packages that it must do without, as if they were not installed.
    """
    figures, log = Path(told["figures"]), Path(told["figures"]).with_suffix(".log")
    figures.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.accelerator.step", module, json.dumps(told)]
    command += [f"--without={','.join(without)}"] if without else []
    site = str(told["site"])
    paths = [*([site] if site else []), os.environ.get("PYTHONPATH", "")]
    brought = os.pathsep.join(filter(None, paths))
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={
                **os.environ,
                **({"OMP_NUM_THREADS": "1"} if told["size"]["smoke"] else {}),
                **({"PYTHONPATH": brought} if brought else {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        state = ""
        try:
            while process.poll() is None and not state:
                time.sleep(_POLL_SECONDS)
                state = "killed" if time.monotonic() - began > limit_seconds else ""
        finally:
            if process.returncode is None:  # its number is its own until it is waited for
                kill_tree(process.pid)
                process.wait()
    seconds = time.monotonic() - began
    values, lacking = found(figures)
    if state and process.returncode < 0:
        return Outcome(state, seconds, values, lacking, f"not done after {limit_seconds:.0f} s")
    if process.returncode == 0:
        return Outcome("done", seconds, values, lacking)
    if process.returncode == CANNOT:
        why = lacking.pop()["why"] if lacking else "something is missing"
        return Outcome("not tried", seconds, values, lacking, why)
    return Outcome("failed", seconds, values, lacking, _end_of(log, process.returncode))


CANNOT = 77
"""The exit code of a step for which something is missing that it cannot do without."""


def _end_of(log: Path, code: int) -> str:
    """The end of what a step printed: the reason for its failure."""
    text = log.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace").strip()
    said = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text)
    return f"exit code {code}: {said or 'it said nothing'}"


def kill_tree(root: int) -> None:
    """SIGKILL to a process, its sessions' members, and all that descends from it.

    Stopped first, so that nobody forks while we look; a phase is in a session of its own, so the
    group of the step is not enough.
    """
    for _ in range(_ROUNDS):
        living = [number for number in (root, *descendants(root)) if _signal(number, 0)]
        if not living:
            return
        for number in living:
            _signal(number, signal.SIGSTOP)
        more = {root, *descendants(root)} - set(living)
        for number in more:
            _signal(number, signal.SIGSTOP)
        # Leaves first: a child of a dead parent is nobody's descendant any more.
        for number in (*more, *reversed(living)):
            _signal(number, signal.SIGKILL)
        if living == [root]:
            return


def adopt_strays() -> None:
    """From now on, who outlives his parent below this process becomes a child of this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1)


def end_strays() -> None:
    """End every child that was adopted; only between steps, when there is no child of ours."""
    for number in list(descendants(os.getpid())):
        _signal(number, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def descendants(root: int) -> Iterator[int]:
    """All processes below one, parents before their children."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text(errors="replace")
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(entry))
    waiting = list(children.get(root, []))
    while waiting:
        number = waiting.pop(0)
        yield number
        waiting += children.get(number, [])


def _signal(number: int, which: int) -> bool:
    try:
        os.kill(number, which)
    except (ProcessLookupError, PermissionError):
        return False
    return True
