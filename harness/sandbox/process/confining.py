"""What a rehearsal has of a container's walls: no network, and code that cannot be written.

So that a laptop says what the referee will say: a container's code folder is read-only and has no
network. Where Linux gives us namespaces both hold here as well (:mod:`harness.inside.confine`).
Elsewhere the folder's modes forbid to write, and for root, whom no mode stops, a change is noticed
at the end. None of it proves anything.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.package import PACKAGE

_CONFINE = PACKAGE / "inside" / "confine.py"
_PROBE_SECONDS = 20.0


@dataclass(frozen=True)
class Start:
    """How a command is started: ``command``, its ``executable``, and whether behind walls."""

    command: Sequence[str]
    executable: str | None
    confined: bool

    def popen(self, **options: Any) -> "subprocess.Popen[bytes]":
        """Start it, as :class:`subprocess.Popen` would.

        Raises:
            OSError: it cannot be executed.
        """
        if not self.confined:
            return subprocess.Popen(self.command, executable=self.executable, **options)
        reading, writing = os.pipe()
        try:
            command = [str(writing) if word is _TELL else word for word in self.command]
            process = subprocess.Popen(command, pass_fds=(writing,), **options)
        finally:
            os.close(writing)
        with open(reading, "rb") as told:  # noqa: PTH123 - a descriptor
            number = told.read()
        if number:
            process.wait()
            raise OSError(int(number), os.strerror(int(number)))
        return process


def start_of(command: Sequence[str], *, executable: str, code: Path) -> Start:
    """Behind such walls where this machine has some.

    Args:
        command: its first word is the name that it has for itself.
        executable: its path.
        code: the folder that it is started in.
    """
    if not can_confine():
        return Start(command, executable, confined=False)
    return Start(_inside((executable, *command[1:]), code), None, confined=True)


_TELL = "the descriptor's number"


def _inside(command: Sequence[str], code: Path, tell: str = _TELL) -> list[str]:
    python = (sys.executable, "-I", "-S", str(_CONFINE))
    return [*python, "--code", str(code), "--keep", sys.prefix, "--tell", tell, "--", *command]


@cache
def can_confine() -> bool:
    """Tried once: some kernels and distributions give ordinary users no namespaces."""
    if sys.platform != "linux":
        return False
    with tempfile.TemporaryDirectory() as place:
        command = _inside((sys.executable, "-I", "-S", "-c", ""), Path(place), tell="2")
        try:
            done = subprocess.run(command, capture_output=True, timeout=_PROBE_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0


def make_read_only(code: Path) -> None:
    """Take away the right to write from a folder and all that is in it."""
    for path in (code, *code.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def snapshot(code: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the last change of every file, by its place."""
    return {
        str(path.relative_to(code)): (facts.st_size, facts.st_mtime_ns)
        for path in sorted(code.rglob("*"))
        if (facts := path.lstat()) is not None
    }


def written(code: Path, before: Mapping[str, tuple[int, int]]) -> str:
    """What was written there since, as a sentence; empty where nothing was."""
    now = snapshot(code)
    names = [name for name, facts in now.items() if before.get(name) != facts]
    names += [name for name in before if name not in now]
    if not names:
        return ""
    return (
        f"it wrote {names[0]!r} into its code folder, which the referee mounts read-only; write to "
        "OUTPUT_DIR, or to the directory that tempfile gives"
    )
