"""Lines of the processor's cache: who touches a byte of a shared page brings its line in.

Two phases that map one file of the image have the same memory before them. A line holds until
others need its room, and starting a container needs all of it.
"""

import math
import mmap
import os
import re
from time import perf_counter_ns

from .bits import Cut, as_hex

EACH = 8
_LINE = 64
_CACHE = "/sys/devices/system/cpu/cpu0/cache"
_UNKNOWN_BYTES = 256 << 20


def _mapped(path: str) -> mmap.mmap:
    file = os.open(path, os.O_RDONLY)
    try:
        size = min(os.fstat(file).st_size, 256 << 20)
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        return mmap.mmap(file, size, flags=flags, prot=mmap.PROT_READ)
    finally:
        os.close(file)


def room(path: str) -> int:
    """How many bits fit into a file."""
    pages = os.stat(path).st_size // mmap.PAGESIZE
    return max(0, pages * EACH // (EACH + 2) - EACH) if pages > 4 * EACH else 0


def _offsets(path_bytes: int, count: int) -> list[int]:
    """One line in each page, in an order that nothing in the processor foresees."""
    pages = path_bytes // mmap.PAGESIZE
    step = max(1, pages * 5 // 8)
    while math.gcd(step, pages) > 1:
        step += 1
    return [
        (number * step % pages) * mmap.PAGESIZE + number * 7 % 60 * _LINE for number in range(count)
    ]


def send(bits: list[int], path: str) -> dict[str, object]:
    """Touch the lines of the ones, several times."""
    with _mapped(path) as memory:
        offsets = _offsets(len(memory), len(bits))
        begun = perf_counter_ns()
        for _ in range(4):
            for bit, offset in zip(bits, offsets, strict=True):
                if bit:
                    memory[offset]
        seconds = (perf_counter_ns() - begun) / 1e9
    return {"seconds": seconds / 4, "placed": len(bits)}


def receive(count: int, path: str) -> dict[str, object]:
    """Time one touch of each line; then of lines just touched, and of lines never touched."""
    with _mapped(path) as memory:
        known = count // EACH
        offsets = _offsets(len(memory), count + 2 * known)
        message, zeros = offsets[:count], offsets[count : count + known]
        begun_all = perf_counter_ns()
        took = [_touch(memory, offset) for offset in message]
        seconds = (perf_counter_ns() - begun_all) / 1e9
        cold = [_touch(memory, offset) for offset in zeros]
        warm = [min(_touch(memory, offset) for _ in range(2)) for offset in zeros]
    cut = Cut(cold, warm)
    return {
        "guess": as_hex([cut.bit(value) for value in took]),
        "seconds": seconds,
        "known_wrong": cut.wrong,
        "known": 2 * known,
        "holds": _cache_bytes() // _LINE,
    }


def _touch(memory: mmap.mmap, offset: int) -> int:
    begun = perf_counter_ns()
    memory[offset]
    return perf_counter_ns() - begun


def _cache_bytes() -> int:
    """Size of the largest cache, as far as the kernel tells."""
    largest = 0
    for index in range(5):
        try:
            with open(f"{_CACHE}/index{index}/size") as file:
                found = re.fullmatch(r"(\d+)([KM]?)\s*", file.read())
        except OSError:
            continue
        if found:
            largest = max(largest, int(found[1]) << {"": 0, "K": 10, "M": 20}[found[2]])
    return largest or _UNKNOWN_BYTES
