"""Tries limits until they take effect, and then frees what was used for that."""

import errno
import mmap
import os
import signal

from .calls import child

MIB = 1 << 20


def bytes_until_full(place: str, most: int) -> int | None:
    """How many bytes fit into a file at ``place``; None if more than ``most`` do, -1 if none."""
    path = f"{place}/filling"
    written = 0
    try:
        file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed below
    except OSError:
        return -1
    with file:
        try:
            while written <= most:
                written += file.write(bytes(MIB))
        except OSError as error:
            return written if error.errno == errno.ENOSPC else -1
        finally:
            os.unlink(path)
    return None


def files_until_full(place: str, most: int) -> int | None:
    """How many files and directories fit into ``place``, itself included.

    None if more than ``most`` do, -1 if none.
    """
    count, full = 0, False
    try:
        os.mkdir(f"{place}/many")
    except OSError:
        return -1
    try:
        while count <= most:
            os.close(os.open(f"{place}/many/{count}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            count += 1
    except OSError as error:
        full = error.errno == errno.ENOSPC
    for number in range(count):
        os.unlink(f"{place}/many/{number}")
    os.rmdir(f"{place}/many")
    return count + 2 if full else None


def processes_until_refused(most: int) -> int | None:
    """How many processes can exist, this one included; None if more than ``most``."""
    children: list[int] = []
    gate, opener = os.pipe()
    refused = False
    while len(children) < most and not refused:
        try:
            pid = os.fork()
        except OSError:
            refused = True
            continue
        if pid == 0:
            os.close(opener)
            os.read(gate, 1)
            os._exit(0)
        children.append(pid)
    os.close(opener)
    os.close(gate)
    for pid in children:
        os.waitpid(pid, 0)
    return len(children) + 1 if refused else None


def files_until_refused(most: int) -> int | None:
    """How many file descriptors a process can hold; None if more than ``most``."""
    opened: list[int] = []
    try:
        while len(opened) <= most:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return max(opened) + 1
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return None


def bytes_until_killed(most: int) -> int | None:
    """How many bytes a child has touched when it is killed; None if it survives ``most``."""
    progress, report = os.pipe()

    def touch() -> int:
        block = mmap.mmap(-1, most)
        for place in range(0, most, MIB):
            block[place : place + MIB] = b"x" * MIB
            os.write(report, b"x")
        return 0

    status = child(touch)
    os.close(report)
    touched = len(os.read(progress, most // MIB + 1)) * MIB
    os.close(progress)
    return touched if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL else None
