"""Counts that every sandbox of a machine moves and reads: closed, ended, or told in another way.

Trusted, and a part of the helper's program (:mod:`harness.inside.settle`). The helper's network
namespace becomes the phase's, so what is done to it here holds for the phase: whoever is root in a
namespace owns its files below ``/proc/self/net``, and nobody in a phase is. Standard library alone.
"""

import contextlib
import os
import time
from collections.abc import Callable
from functools import cache

NET = "/proc/self/net"
KEPT_NET = ("dev", "if_inet6", "route")
"""What stays of a namespace's files: they count for that namespace alone."""

PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
LOWEST_PORT = 32768
FEWEST_PAIRS, MOST_PAIRS = 4096, 8192  # of ports: a range holds 8,192 at least, and ends at 49,151
SLOT_NS = 100_000_000  # two phases do not begin in one

BATCH = 1024  # inode numbers that a core takes from the machine's count at once
CHILDREN = 32
_TRIES = 8 * BATCH


# -- Files of the network namespace


def open_files(top: str = NET) -> list[str]:
    """Files of the network namespace that can be opened here, but for those that are to stay."""
    found = []
    for path in _files(top):
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            continue
        if os.path.relpath(path, top) not in KEPT_NET:
            found.append(os.path.relpath(path, top))
    return found


def close_files(top: str = NET) -> tuple[int, int]:
    """Take all rights to them from everyone: how many were closed, and can still be opened.

    Their owner without capabilities is refused like everyone else, so it can see to it.
    """
    closed = 0
    for path in _files(top):
        if os.path.relpath(path, top) not in KEPT_NET:
            with contextlib.suppress(OSError):  # it is seen below
                os.chmod(path, 0)
                closed += 1
    return closed, len(open_files(top))


def _files(top: str) -> list[str]:
    found = []
    for place, _, names in os.walk(top):
        found += [os.path.join(place, name) for name in names]
    return sorted(found)


# -- Source ports


@cache
def moduli() -> tuple[int, ...]:
    """Sizes of port ranges: twice a prime each, so that no two share more than the factor 2."""
    return tuple(2 * pairs for pairs in range(FEWEST_PAIRS, MOST_PAIRS) if is_prime(pairs))


def is_prime(number: int) -> bool:
    """By trial; for numbers of a few digits."""
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def range_at(moment_ns: int) -> tuple[int, int]:
    """First and last source port for a phase that begins then; the next moments' are others."""
    sizes = moduli()
    return LOWEST_PORT, LOWEST_PORT + sizes[moment_ns // SLOT_NS % len(sizes)] - 1


def is_own_range(low: int, high: int) -> bool:
    """Whether a range is one of :func:`range_at`."""
    return low == LOWEST_PORT and high - low + 1 in moduli()


def set_source_ports() -> list[int]:
    """Give the namespace its range; what it says afterwards."""
    low, high = range_at(time.monotonic_ns())  # one clock for all processes of the machine
    with contextlib.suppress(OSError), open(PORT_RANGE, "w") as file:
        file.write(f"{low} {high}")
    return source_ports()


def source_ports() -> list[int]:
    """First and last source port of this namespace; nothing where they are not told."""
    try:
        with open(PORT_RANGE) as file:
            return [int(text) for text in file.read().split()]
    except OSError:
        return []


# -- Numbers of inodes


def pipe_inode() -> int:
    """The next number for pipes, sockets and files of ``/proc``, on this core."""
    ends = os.pipe()
    number = os.fstat(ends[0]).st_ino
    for end in ends:
        os.close(end)
    return number


def memory_inode() -> int:
    """The next number for memory files, on this core."""
    file = os.memfd_create("batch")
    number = os.fstat(file).st_ino
    os.close(file)
    return number


def end_batches() -> tuple[int, int]:
    """Have every core use up the numbers it holds: how many cores there are, and have done so.

    The next number on any core then comes fresh from the machine's count, and where in its numbers
    a core stood says nothing any more.
    """
    cores = sorted(os.sched_getaffinity(0))
    ended = 0
    for start in range(0, len(cores), CHILDREN):
        children = [_end_batches_of(core) for core in cores[start : start + CHILDREN]]
        ended += sum(os.waitpid(child, 0)[1] == 0 for child in children)
    return len(cores), ended


def _end_batches_of(core: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.sched_setaffinity(0, {core})
        # Pipes' batches hold 1 to 1,024, those of memory files 0 to 1,023.
        code = 0 if _used_up(pipe_inode, last=0) and _used_up(memory_inode, last=BATCH - 1) else 1
    finally:
        os._exit(code)


def _used_up(number: Callable[[], int], *, last: int) -> bool:
    """Take numbers until the last of a batch, or until somebody else began another one."""
    first = number()
    for _ in range(_TRIES):
        if first % BATCH == last:
            return True
        found = number()
        if (found - last - 1) // BATCH != (first - last - 1) // BATCH:
            return True
        first = found
    return False
