"""Names: who looks a missing name up leaves a negative entry in the kernel's cache of names.

A later look-up of the same name below the same directory is faster. One bit a name, and there is
no end of names. How much faster is learned from pilots: names of which both sides know whether the
sender looks them up. Under a union of layers that differs from a name that the receiver itself
looked up before, whose entry lies in its own union.
"""

import os
from time import perf_counter_ns

from .bits import Cut, as_hex

EACH = 16  # so many names of the message to one of each known kind
_TOLD = 0.4  # of the pilots, half are taken for the other kind where nothing was left of them


def _known(start: str, kind: str, count: int) -> list[bytes]:
    return [f"{start}{kind}{number:x}".encode() for number in range(count // EACH + 1)]


def send(bits: list[int], folder: str, public: str) -> dict[str, object]:
    """Look up the names of the ones, and the pilots."""
    start = f"{folder}/{public}"
    names = [f"{start}m{number:x}".encode() for number, bit in enumerate(bits) if bit]
    look = os.access
    begun = perf_counter_ns()
    for name in names:
        look(name, 0)
    took = perf_counter_ns() - begun
    for name in _known(start, "p", len(bits)):
        look(name, 0)
    return {"seconds": took / 1e9, "placed": len(bits)}


def receive(count: int, folder: str, public: str) -> dict[str, object]:
    """Time each name once; between them names that we looked up, pilots, and names of nobody."""
    start = f"{folder}/{public}"
    known = {kind: _known(start, kind, count) for kind in "kpz"}
    names = [f"{start}m{number:x}".encode() for number in range(count)]
    look, now = os.access, perf_counter_ns
    for name in known["k"]:
        look(name, 0)
    took: list[int] = []
    seen: dict[str, list[int]] = {kind: [] for kind in known}
    begun_all = now()
    for number, name in enumerate(names):
        begun = now()
        look(name, 0)
        took.append(now() - begun)
        if number % EACH == 0:
            for kind, its in known.items():
                begun = now()
                look(its[number // EACH], 0)
                seen[kind].append(now() - begun)
    seconds = (now() - begun_all) / 1e9
    own, pilots = Cut(seen["z"], seen["k"]), Cut(seen["z"], seen["p"])
    cut = pilots if pilots.wrong < _TOLD else own
    others = sum(map(len, seen.values()))
    return {
        "guess": as_hex([cut.bit(value) for value in took]),
        "seconds": seconds * count / (count + others),
        "known_wrong": own.wrong,
        "known": others,
    }
