"""Names: who looks a missing name up leaves a negative entry in the kernel's cache of names.

A later look-up of the same name below the same directory is faster. One bit a name, and there is
no end of names.
"""

import os
from time import perf_counter_ns

from .bits import Cut, as_hex

EACH = 16  # so many names of the message to one of each known kind


def send(bits: list[int], folder: str, public: str) -> dict[str, object]:
    """Look up the names of the ones."""
    start = f"{folder}/{public}m"
    names = [f"{start}{number:x}".encode() for number, bit in enumerate(bits) if bit]
    look = os.access
    begun = perf_counter_ns()
    for name in names:
        look(name, 0)
    took = perf_counter_ns() - begun
    # Half of the names are looked up; what is left of the time is that of picking them.
    return {"seconds": took / 1e9, "placed": len(bits)}


def receive(count: int, folder: str, public: str) -> dict[str, object]:
    """Time each name once; between them names that nobody, and names that we, looked up before."""
    start = f"{folder}/{public}"
    known = range(count // EACH + 1)
    ones = [f"{start}k{number:x}".encode() for number in known]
    zeros = [f"{start}z{number:x}".encode() for number in known]
    names = [f"{start}m{number:x}".encode() for number in range(count)]
    look, now = os.access, perf_counter_ns
    for name in ones:
        look(name, 0)
    took = []
    begun_all = now()
    for number, name in enumerate(names):
        begun = now()
        look(name, 0)
        took.append(now() - begun)
        if number % EACH == 0:
            place = number // EACH
            for kind in (zeros, ones):
                begun = now()
                look(kind[place], 0)
                kind[place] = now() - begun  # type: ignore[call-overload]
    seconds = (now() - begun_all) / 1e9
    used = (count - 1) // EACH + 1
    cut = Cut(zeros[:used], ones[:used])  # type: ignore[arg-type]
    return {
        "guess": as_hex([cut.bit(value) for value in took]),
        "seconds": seconds * count / (count + 2 * used),
        "known_wrong": cut.wrong,
        "known": 2 * used,
    }
