"""Locks that keep harnesses apart, on one machine or on several that share a directory."""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import InfrastructureError
from harness.safeio.files import disk_errors

_LOOKING_SECONDS = 0.3
"""Longer than anybody holds a lock who only looks whether it is held."""


class BusyError(InfrastructureError):
    """Another harness is at work there, on this machine or on another one."""


@contextlib.contextmanager
def locked(path: Path, *, what: str) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there, while the block lasts.

    It must be a file, and one that we may write to: NFS shows such a lock to every machine and
    drops it when a machine dies, but keeps that of a directory to itself. Where we may only read
    it, we lock it as we can.

    Raises:
        BusyError: another harness holds it; ``what`` says what it works on.
        InfrastructureError: the file cannot be opened, or the file system has no locks.
    """
    with _opened(path) as descriptor:
        _take(descriptor, path.parent, what)
        yield


@contextlib.contextmanager
def waited_for(path: Path, *, alone: bool, waits: Callable[[], None]) -> Iterator[None]:
    """Hold such a lock while the block lasts, once nobody stands in the way.

    Args:
        path: its file.
        alone: beside nobody; else beside all others who do not ask to be alone.
        waits: called once, if somebody stands in the way.

    Raises:
        InfrastructureError: as by :func:`locked`.
    """
    told = False

    def pause() -> None:
        nonlocal told
        if not told:
            waits()
        told = True
        time.sleep(_LOOKING_SECONDS)

    # Whoever waits holds the gate, so nobody overtakes him, and he gets in once those inside leave.
    with contextlib.ExitStack() as inside:
        with _held(path.with_name(f"{path.name}.gate"), fcntl.LOCK_EX, pause):
            inside.enter_context(_held(path, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, pause))
        yield


@contextlib.contextmanager
def folder_held(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, once nobody else on this machine does.

    NFS keeps such a lock to itself; so it is for what takes an instant, and leaves no file.

    Raises:
        InfrastructureError: it cannot be opened, or its file system has no locks.
    """
    with disk_errors(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        while not _taken(descriptor, fcntl.LOCK_EX, folder):
            time.sleep(_LOOKING_SECONDS / 10)
        yield
    finally:
        os.close(descriptor)


def require_lockable(path: Path) -> None:
    """Require that a file can be locked at all, whoever holds it now.

    Raises:
        InfrastructureError: as by :func:`locked`.
    """
    with _opened(path) as descriptor:
        if _taken(descriptor, fcntl.LOCK_SH, path):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock of a file; who looks holds it for an instant, shared.

    Raises:
        InfrastructureError: the file cannot be opened, or is none.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InfrastructureError(f"cannot be looked at: {error.strerror}", file=path) from error
    try:
        _require_file(descriptor, path)
        return not _taken(descriptor, fcntl.LOCK_SH, path)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    with disk_errors(path):
        # In a directory such as /tmp the kernel lets nobody "create" what somebody else has made.
        if path.exists():
            flags = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY
        else:
            flags = os.O_RDWR | os.O_CREAT
        # Not blocking: a FIFO would wait for a writer.
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o644)
    try:
        _require_file(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _require_file(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise InfrastructureError(
            "expected a file to lock, found something else", file=path, remedy="remove it"
        )


@contextlib.contextmanager
def _held(path: Path, kind: int, pause: Callable[[], None]) -> Iterator[None]:
    """Hold a lock, however often its file is removed and made again meanwhile."""
    while True:
        with _opened(path) as descriptor:
            while not _taken(descriptor, kind, path):
                pause()
            with disk_errors(path):
                same = path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))
            if same:
                yield
                return


def _take(descriptor: int, place: Path, what: str) -> None:
    deadline = time.monotonic() + _LOOKING_SECONDS
    while not _taken(descriptor, fcntl.LOCK_EX, place):
        if time.monotonic() > deadline:
            raise BusyError(
                f"another harness is at work on this {what}",
                file=place,
                remedy="wait for it to end",
            )
        time.sleep(_LOOKING_SECONDS / 10)


def _taken(descriptor: int, kind: int, place: Path) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InfrastructureError(
            f"this file system gives no locks ({error.strerror}), so nothing would keep two "
            "harnesses apart",
            file=place,
            remedy="keep --runs where flock works on every machine, as on NFS 4",
        ) from error
    return True
