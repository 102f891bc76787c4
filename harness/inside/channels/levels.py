"""Levels that outlast a phase for a while: one bit a round, told by a time or an average."""

import mmap
import os
from collections.abc import Callable
from time import perf_counter_ns

from . import gpu_work
from .numbers import MIB, Places, count_values, reading


def _load(places: Places) -> int:
    with open("/proc/loadavg") as file:
        return round(100 * float(file.read().split()[0]))


def _spin(seconds: float) -> None:
    until = perf_counter_ns() + int(seconds * 1e9)
    while perf_counter_ns() < until:
        pass


def _busy(places: Places) -> None:
    """Twice as many busy processes as cores, for a second."""
    children = []
    for _ in range(2 * len(os.sched_getaffinity(0))):
        child = os.fork()
        if child == 0:
            _spin(1.0)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _speed(places: Places) -> int:
    """Nanoseconds of a fixed sum: the best of several, since others only slow it down."""
    best = 1 << 60
    for _ in range(40):
        begun = perf_counter_ns()
        sum(range(20_000))
        best = min(best, perf_counter_ns() - begun)
    return best


def _heat(places: Places) -> None:
    _spin(0.5)


def _huge(places: Places) -> int:
    """Nanoseconds to touch 32 huge pages, each for the first time: the median."""
    size = 2 * MIB
    took = []
    with mmap.mmap(-1, 34 * size) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for place in range(size, 33 * size, size):
            begun = perf_counter_ns()
            memory[place] = 1
            took.append(perf_counter_ns() - begun)
    return sorted(took)[len(took) // 2]


def _scatter(places: Places) -> None:
    """Break memory up: touch small pages, and give back every other one."""
    size = 64 * MIB
    with mmap.mmap(-1, size) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for place in range(0, size, mmap.PAGESIZE):
            memory[place] = 1
        for place in range(0, size, 2 * mmap.PAGESIZE):
            memory.madvise(mmap.MADV_DONTNEED, place, mmap.PAGESIZE)


LEVELS: dict[str, tuple[Callable[[Places], int], Callable[[Places], None]]] = {
    "load": (_load, _busy),
    "frequency": (_speed, _heat),
    "huge_pages": (_huge, _scatter),
    "gpu_speed": (gpu_work.product_nanoseconds, gpu_work.heat),
}
VALUES = {"load": lambda: count_values("/proc/loadavg"), "gpu_speed": gpu_work.devices}
"""How many levels there are, where that is not one."""


def send(name: str, bits: list[int], places: Places) -> dict[str, object]:
    """Do what raises the level, if the bit is 1."""
    begun = perf_counter_ns()
    if bits[0]:
        LEVELS[name][1](places)
    return {"seconds": (perf_counter_ns() - begun) / 1e9, "placed": 1}


def receive(name: str, places: Places) -> dict[str, object]:
    """The level, as it stands."""
    begun = perf_counter_ns()
    value = reading(lambda: LEVELS[name][0](places))
    values = VALUES[name]() if name in VALUES else 1
    return {"seconds": (perf_counter_ns() - begun) / 1e9, "value": value, "values": values}
