"""Counts of the kernel that no file of ``/proc`` lists, or only those of a network namespace.

Each is read, and moved up by about so much, by calls that any process may make. Those that each
core keeps for itself are read and moved on the first core.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BATCH = 1024  # inode numbers that a core takes at once
_FRESH = 16  # of which so few are gone by when a core has just taken them
_SOFTNET = "/proc/self/net/softnet_stat"
_PER_CORE = (_SOFTNET, "/proc/self/net/stat/rt_cache", "/proc/self/net/rt_acct")
_SO_COOKIE = 57
_MOVED = 0xC0  # IN_MOVED_FROM, IN_MOVED_TO
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run on one core alone meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def first_core() -> int:
    """The lowest core of this process."""
    return min(os.sched_getaffinity(0))


# -- Packets that a core has handled, in all network namespaces


def packets(places: object) -> int:
    """On the first core."""
    with open(_SOFTNET) as file:
        return int(file.readline().split()[0], 16)


def send_packets(count: int, places: object) -> None:
    """To nobody, over the loopback."""
    with on_core(first_core()), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        own = sender.getsockname()
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for _ in range(count):
            sender.sendto(b"", own)


def network_values(places: object) -> int:
    """How many counts of all network namespaces can be read, and are not zero."""
    found = 0
    for path in _PER_CORE:
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            continue
        if path.endswith("acct"):
            found += sum(map(bool, struct.unpack(f"{len(content) // 4}I", content)))
        else:
            found += sum(word.strip(b"0") != b"" for word in content.split())
    return found


# -- Cookies of sockets: each core counts for itself, from a batch of the machine's count


def socket_cookie(places: object) -> int:
    """A new one, on the first core."""
    with on_core(first_core()), socket.socket() as some:
        return int.from_bytes(some.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), "little")


def take_cookies(count: int, places: object) -> None:
    """So many sockets get one."""
    with on_core(first_core()):
        for _ in range(count):
            with socket.socket() as some:
                some.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)


def cookie_values(places: object) -> int:
    """One on each core, where they can be read."""
    return _where_read(socket_cookie, os.cpu_count() or 1)


# -- Renamed files


def rename_cookie(places: object) -> int:
    """The number that the next file that is renamed gets, by whoever watches its directory."""
    watch = _LIBC.inotify_init1(os.O_NONBLOCK)
    if watch < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    try:
        if _LIBC.inotify_add_watch(watch, b"/tmp", _MOVED) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        rename(1, places)
        return int(struct.unpack_from("iIII", os.read(watch, 4096))[2])
    finally:
        os.close(watch)


def rename(count: int, places: object) -> None:
    """Rename a file so often."""
    names = f"/tmp/{os.getpid()}-a", f"/tmp/{os.getpid()}-b"
    os.close(os.open(names[0], os.O_CREAT | os.O_WRONLY))
    for number in range(count):
        os.rename(names[number % 2], names[1 - number % 2])
    os.unlink(names[count % 2])


def rename_values(places: object) -> int:
    """One, where it can be read."""
    return _where_read(rename_cookie, 1)


# -- Processes


def process_serial(places: object) -> int:
    """The number of this process among all that the machine has started."""
    descriptor = os.pidfd_open(os.getpid())
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def serial_values(places: object) -> int:
    """That one, and the number of this session among all."""
    return _where_read(process_serial, 1) + os.path.exists("/proc/self/autogroup")


# -- Neighbor tables, which are the machine's, and which netlink tells of in every namespace


def neighbor_lookups(places: object) -> int:
    """How often somebody looked into the first table."""
    return neighbor_figures()[4]


def neighbor_figures() -> list[int]:
    """All counts of all tables."""
    with _route() as asking:
        asking.send(struct.pack("IHHII", 20, 66, 0x301, 1, 0) + b"\0" * 4)
        told = asking.recv(1 << 16)
    place = 0
    found: list[int] = []
    while place + 20 <= len(told):
        length, kind = struct.unpack_from("IH", told, place)
        if kind == 3 or length < 20:
            break
        for attribute, content in _attributes(told[place + 20 : place + length]):
            if attribute == 7:
                found += struct.unpack(f"{len(content) // 8}Q", content)
        place += length
    return found


def look_up_neighbors(count: int, places: object) -> None:
    """Ask for one that is not there."""
    target = struct.pack("BBHiHBB", 2, 0, 0, 1, 0, 0, 0) + struct.pack("HH4s", 8, 1, b"\x7f\0\0\1")
    with _route() as asking:
        for _ in range(count):
            asking.send(struct.pack("IHHII", 16 + len(target), 30, 1, 1, 0) + target)
            asking.recv(4096)


def neighbor_values(places: object) -> int:
    """Those that are not zero."""
    try:
        return sum(map(bool, neighbor_figures()))
    except (OSError, IndexError):
        return 0


def _route() -> socket.socket:
    asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    asking.bind((0, 0))
    return asking


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 4 <= len(content):
        length, kind = struct.unpack_from("HH", content, place)
        if length < 4:
            return
        yield kind & 0x3FFF, content[place + 4 : place + length]
        place += length + 3 & ~3


# -- How far each core is in the inode numbers that it holds


def memory_file_place(places: object) -> int:
    """Of memory files, on the first core."""
    with on_core(first_core()):
        return _memory_inode() % BATCH


def make_memory_files(count: int, places: object) -> None:
    """On the first core."""
    with on_core(first_core()):
        for _ in range(count):
            _memory_inode()


def core_values(places: object) -> int:
    """Cores that did not take their numbers just now, for memory files and for pipes."""
    old = 0
    for core in os.sched_getaffinity(0):
        with on_core(core):
            old += _memory_inode() % BATCH > _FRESH
    return 2 * old


def _memory_inode() -> int:
    file = os.memfd_create("count")
    number = os.fstat(file).st_ino
    os.close(file)
    return number


def _where_read(read: Callable[[object], int], values: int) -> int:
    try:
        read(None)
    except OSError:
        return 0
    return values
