"""Who owns what: containers, volumes, processes and directories carry the name of their harness.

A killed harness cannot clean up. The next one can, if it can tell that the owner is dead, even if
the owner's process id now belongs to another process.
"""

import contextlib
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from harness.safeio.files import disk_errors

OWNER_FILE = "owner"
PREFIX = "pgolf-"  # short: a socket below it may have a path of 107 bytes at most


def me() -> str:
    """The name of this harness process: process namespace, process id, time of its start."""
    return f"{_namespace()}-{os.getpid()}-{_start_of(os.getpid())}"


def token() -> str:
    """A unique name for one phase of this harness; :func:`is_dead` understands it too."""
    return f"{me()}-{secrets.token_hex(6)}"


def make_directory(parent: Path) -> Path:
    """Make a private directory under ``parent`` that later harnesses can recognize as ours."""
    with disk_errors(parent):
        directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        (directory / OWNER_FILE).write_text(me())
    return directory


def remove_tree(directory: Path) -> None:
    """Remove a directory, even if a submission removed our permission to read parts of it."""
    if directory.is_symlink():  # a link that a submission made; its target is not ours
        with disk_errors(directory):
            directory.unlink(missing_ok=True)
        return
    for place, _, _ in os.walk(directory):
        with contextlib.suppress(OSError):
            Path(place).chmod(0o700)
    with disk_errors(directory):
        while directory.exists():
            # Somebody else who removes it was faster with a part of it.
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(directory)


def reap_directories(parent: Path) -> None:
    """Remove the directories that dead harnesses made under ``parent``."""
    for directory in parent.glob(f"{PREFIX}*"):
        try:
            ours = not directory.is_symlink() and directory.stat().st_uid == os.getuid()
            name = (directory / OWNER_FILE).read_text() if ours else ""
        except (OSError, UnicodeDecodeError):
            continue  # not one of ours, or being removed right now
        if is_dead(name):
            remove_tree(directory)


def is_dead(name: str) -> bool:
    """Whether the harness that made ``name`` has ended.

    False when that cannot be told: malformed names, and harnesses of another process
    namespace (another container), whose processes are not visible here.
    """
    parts = name.split("-")[:3]
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 30 for part in parts):
        return False
    namespace, process, start = (int(part) for part in parts)
    return namespace == _namespace() and _start_of(process) != start


def _namespace() -> int:
    if sys.platform != "linux":
        return 0
    return Path("/proc/self/ns/pid").stat().st_ino


def _start_of(process: int) -> int | None:
    """When a process started, in a unit only compared for equality; None when it has ended."""
    if sys.platform == "linux":
        try:
            status = Path(f"/proc/{process}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field is the command in parentheses and may hold anything, so count after it.
        fields = status[status.rindex(b")") + 2 :].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    import psutil

    try:
        return round(psutil.Process(process).create_time())
    except psutil.NoSuchProcess:
        return None
