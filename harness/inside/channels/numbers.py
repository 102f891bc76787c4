"""Numbers that every container of a machine reads alike: counters and levels of the kernel.

The sender moves one number of a place until it stands, counted in steps, on the symbol to be sent,
modulo ``1 << bits``. The receiver reads it. How far a number moves by itself between the two is
learned from the other rounds, by who compares them.
"""

import _thread
import mmap
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns, sleep
from typing import NamedTuple

from . import counts, gpu_driver, gpu_work, pages
from .bits import number_of

MIB = 1 << 20
_NUMBER = re.compile(r"\d+")
_TRIES = 3
_WAITS = 20
_DRAWN = 2_000  # threads that may be on their way out at once


class Places(NamedTuple):
    """Where a phase finds what both share, and how this round is called."""

    code: str
    data: str
    artifact: str
    output: str
    public: str


class Number(NamedTuple):
    """One steered number: how it is read, moved up by about so much, and in which steps."""

    read: Callable[[Places], int]
    move: Callable[[int, Places], None]
    step: int
    bits: int


def _field(path: str, name: str) -> int:
    with open(path) as file:
        for line in file:
            if line.startswith(name):
                found = _NUMBER.search(line, len(name))
                if found:
                    return int(found[0])
    raise OSError(f"{path} has no {name}")


def count_values(*paths: str) -> int:
    """How many numbers can be read there that something has moved: a zero says nothing yet."""
    found = 0
    for path in paths:
        try:
            with open(path) as file:
                found += sum(text.strip("0") != "" for text in _NUMBER.findall(file.read()))
        except OSError:
            continue
    return found


def _threads(count: int, places: Places) -> None:
    """Each thread takes a number of a process."""
    left = count
    while left > 0:
        some = min(left, _DRAWN)
        for _ in range(some):
            for attempt in range(_WAITS):
                try:
                    _thread.start_new_thread(int, ())
                    break
                except RuntimeError:  # too many at once
                    sleep(0.001 * (attempt + 1))
        left -= some


def _new_thread_id(places: Places) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(threading.get_native_id()))
    thread.start()
    thread.join()
    return found[0]


def _fault(count: int, places: Places) -> None:
    """Touch fresh pages, each of which the kernel has to bring."""
    page = mmap.PAGESIZE
    while count > 0:
        some = min(count, 4096)
        with mmap.mmap(-1, some * page) as memory:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
            for place in range(0, some * page, page):
                memory[place] = 1
        count -= some


def _cached_kilobytes(places: Places) -> int:
    return _field("/proc/meminfo", "Cached:")


def _fill_cache(kilobytes: int, places: Places) -> None:
    """Leave so much more of a file in the page cache than if it were dropped."""
    filling = f"{places.data}/filling.bin"
    with _opened(filling) as file:
        size = os.fstat(file).st_size
        cached = getattr(_fill_cache, "left", 0)
        wanted = (cached + kilobytes * 1024) % size
        pages.drop(file)
        done = 0
        while done < wanted:
            done += len(os.pread(file, min(MIB, wanted - done), done)) or size
    _fill_cache.left = wanted  # type: ignore[attr-defined]


@contextmanager
def _opened(path: str) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def _names(places: Places) -> int:
    with open("/proc/sys/fs/dentry-state") as file:
        return int(file.read().split()[0])


def _look_up(count: int, places: Places) -> None:
    start = f"{places.data}/{places.public}n{perf_counter_ns():x}-"
    for number in range(count):
        os.access(f"{start}{number}", 0)


def _pipe_inode(places: Places) -> int:
    ends = os.pipe()
    inode = os.fstat(ends[0]).st_ino
    for end in ends:
        os.close(end)
    return inode


def _pipes(count: int, places: Places) -> None:
    for _ in range(count):
        reading, writing = os.pipe()
        os.close(reading)
        os.close(writing)


def _blocks_used(places: Places) -> int:
    found = os.statvfs("/")
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _print(count: int, places: Places) -> None:
    """What a phase prints is kept on the machine's disk."""
    line = "." * 999
    for _ in range(count // 1010):
        print(line)
    sys.stdout.flush()


NUMBERS = {
    "fork_counter": Number(lambda places: _field("/proc/stat", "processes"), _threads, 512, 4),
    "memory_counters": Number(lambda places: _field("/proc/vmstat", "pgfault"), _fault, 1 << 15, 2),
    "memory_levels": Number(_cached_kilobytes, _fill_cache, 8 << 10, 3),
    "file_counters": Number(_names, _look_up, 1 << 13, 3),
    "inode_numbers": Number(_pipe_inode, _pipes, 1 << 14, 3),
    "free_space": Number(_blocks_used, _print, MIB, 3),
    "process_numbers": Number(_new_thread_id, _threads, 64, 4),
    "network_counters": Number(counts.packets, counts.send_packets, 1 << 13, 3),
    "socket_cookies": Number(counts.socket_cookie, counts.take_cookies, 256, 4),
    "rename_cookies": Number(counts.rename_cookie, counts.rename, 1 << 11, 4),
    "process_serials": Number(counts.process_serial, _threads, 512, 4),
    "neighbor_counters": Number(counts.neighbor_lookups, counts.look_up_neighbors, 256, 4),
    "core_inodes": Number(counts.memory_file_place, counts.make_memory_files, 64, 4),
    # A kJ: what a GPU uses by itself between two phases differs by some hundred J.
    "gpu_figures": Number(gpu_driver.energy, gpu_work.spend, 1_024_000, 4),
}
STEERED_ONCE = {"free_space"}  # what it does is seen when the log is written out, later


def reading(read: Callable[[], int]) -> int | None:
    """A number, or None where it is hidden."""
    try:
        return read()
    except (OSError, IndexError, ValueError):
        return None


def send(name: str, bits: list[int], places: Places) -> dict[str, object]:
    """Move the number until it stands on the symbol; the last value that was seen of it."""
    number = NUMBERS[name]
    if reading(lambda: number.read(places)) is None:
        return {"seconds": 0.0, "placed": 0, "value": None}
    span = number.step << number.bits
    goal = number_of(bits) * number.step + number.step // 2
    begun = perf_counter_ns()
    for _ in range(_TRIES):
        value = number.read(places)
        lacking = (goal - value) % span
        if min(lacking, span - lacking) <= number.step // 4:
            break
        number.move(lacking, places)
        if name in STEERED_ONCE:
            value += lacking
            break
    seconds = (perf_counter_ns() - begun) / 1e9
    return {"seconds": seconds, "placed": len(bits), "value": value}


def receive(name: str, count: int, places: Places) -> dict[str, object]:
    """The number, as it stands."""
    begun = perf_counter_ns()
    value = reading(lambda: NUMBERS[name].read(places))
    values = VALUES[name](places) if name in VALUES else 0
    return {"seconds": (perf_counter_ns() - begun) / 1e9, "value": value, "values": values}


def _inode_values(places: Places) -> int:
    """Counts of which pipes, sockets and memory files get their numbers.

    Numbers of mounts, devices and namespaces are the lowest that are free: a phase that is over has
    left none of them taken.
    """
    return 2


def _space_values(places: Places) -> int:
    """Free bytes and free files of each file system in sight."""
    stores = ("/", "/tmp", "/dev/shm", places.output, places.code, places.data, places.artifact)
    return 2 * len({os.statvfs(store) for store in stores if os.path.isdir(store)})


VALUES: dict[str, Callable[[Places], int]] = {
    "fork_counter": lambda places: count_values("/proc/stat"),
    "memory_counters": lambda places: count_values("/proc/vmstat"),
    "memory_levels": lambda places: count_values("/proc/meminfo"),
    "file_counters": lambda places: count_values(
        *(f"/proc/sys/fs/{name}" for name in ("dentry-state", "inode-state", "file-nr", "aio-nr"))
    ),
    "inode_numbers": _inode_values,
    "free_space": _space_values,
    "process_numbers": lambda places: 2,
    "network_counters": counts.network_values,
    "socket_cookies": counts.cookie_values,
    "rename_cookies": counts.rename_values,
    "process_serials": counts.serial_values,
    "neighbor_counters": counts.neighbor_values,
    "core_inodes": counts.core_values,
}

OTHERS = {
    "slab_counters": ("/proc/slabinfo",),
    "other_counters": (
        *("/proc/interrupts", "/proc/softirqs", "/proc/diskstats", "/proc/zoneinfo"),
        *("/proc/buddyinfo", "/proc/pagetypeinfo", "/proc/schedstat", "/proc/timer_list"),
        *("/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory", "/proc/key-users"),
        *("/proc/uptime", "/proc/partitions", "/proc/locks", "/proc/keys", "/proc/vmallocinfo"),
    ),
}
"""Places that are not steered here: what can be read there counts whole."""


def read_only(name: str) -> dict[str, object]:
    """How many numbers can be read."""
    begun = perf_counter_ns()
    values = count_values(*OTHERS[name])
    return {"seconds": (perf_counter_ns() - begun) / 1e9, "values": values}
