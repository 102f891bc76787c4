"""Pages: who reads a page of a file leaves it in the page cache, where a later read is faster.

The sender can also drop pages (``posix_fadvise``), so it need not find the cache empty. Where that
is refused, both sides do without: what was not read is then as they found it.
"""

import contextlib
import os
from time import perf_counter_ns

from .bits import Cut, as_hex

STEP = os.sysconf("SC_PAGE_SIZE")
EACH = 8  # so many pages of the message to one of each known kind


def layout(size: int, count: int) -> tuple[list[int], list[int], list[int]]:
    """Offsets of the message, and of pages whose state is known: not cached, and cached."""
    pages = size // STEP
    groups = min(pages // (EACH + 2), -(-count // EACH))
    starts = [group * (EACH + 2) for group in range(groups)]
    offsets = [(start + place) * STEP for start in starts for place in range(EACH)]
    zeros = [(start + EACH) * STEP for start in starts]
    ones = [(start + EACH + 1) * STEP for start in starts]
    return offsets[:count], zeros, ones


def room(path: str) -> int:
    """How many bits fit into a file."""
    return os.stat(path).st_size // STEP // (EACH + 2) * EACH


def _open(path: str) -> int:
    file = os.open(path, os.O_RDONLY)
    _advise(file, 0, 0, os.POSIX_FADV_RANDOM)  # nothing is read ahead
    return file


def _advise(file: int, offset: int, length: int, advice: int) -> None:
    with contextlib.suppress(OSError):
        os.posix_fadvise(file, offset, length, advice)


def drop(file: int, offset: int = 0, length: int = 0) -> None:
    """Drop pages of a file from the cache, if that is allowed; all of them by default."""
    _advise(file, offset, length, os.POSIX_FADV_DONTNEED)


def send(bits: list[int], path: str) -> dict[str, object]:
    """Drop the whole file from the cache, then read the pages of the ones."""
    file = _open(path)
    offsets, _, _ = layout(os.fstat(file).st_size, len(bits))
    begun = perf_counter_ns()
    drop(file)
    for bit, offset in zip(bits, offsets, strict=True):
        if bit:
            os.pread(file, 1, offset)
    seconds = (perf_counter_ns() - begun) / 1e9
    os.close(file)
    return {"seconds": seconds, "placed": len(bits)}


def receive(count: int, path: str) -> dict[str, object]:
    """Time one read of each page; between them pages that we dropped (or did not
    read, where that is refused), and pages that we read."""
    file = _open(path)
    offsets, zeros, ones = layout(os.fstat(file).st_size, count)
    for offset in zeros:
        drop(file, offset, STEP)
    for offset in ones:
        os.pread(file, 1, offset)
    read, now = os.pread, perf_counter_ns
    took: dict[str, list[int]] = {"message": [], "zeros": [], "ones": []}
    begun_all = now()
    for number, offset in enumerate(offsets):
        begun = now()
        read(file, 1, offset)
        took["message"].append(now() - begun)
        if number % EACH == 0:
            for kind, places in (("zeros", zeros), ("ones", ones)):
                begun = now()
                read(file, 1, places[number // EACH])
                took[kind].append(now() - begun)
    seconds = (now() - begun_all) / 1e9
    os.close(file)
    cut = Cut(took["zeros"], took["ones"])
    return {
        "guess": as_hex([cut.bit(value) for value in took["message"]]),
        "seconds": seconds * EACH / (EACH + 2),
        "known_wrong": cut.wrong,
        "known": len(zeros) + len(ones),
    }
