"""Source ports of TCP: one table of the kernel for all network namespaces.

Where a connection leads picks an entry, by a secret that is drawn anew every ten seconds. The entry
says which port comes next, and each connection moves it on by a few. So within the ten seconds one
who connects often enough leaves a bit in each entry, and who connects there next reads it.
"""

import socket
import struct
from time import perf_counter_ns, sleep

from .bits import Cut, as_hex

HOLDS = 1 << 16  # entries
KNOWN = 64
_AT_ONCE = struct.pack("ii", 1, 0)  # no port stays taken
_LISTENS = 20_001
_PERIOD = 64  # of ports: the lower half says 0
_NEAR = 12
_WATCHED = 6 << 16  # an entry for itself
_EDGE_SECONDS = 12.0
_SEND_SECONDS = 5.0
_FAR = 256


class Ports:
    """Connections within this network, and the ports they come from."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("0.0.0.0", _LISTENS))  # noqa: S104 - there is no network
        self._listener.listen(64)

    def next(self, entry: int) -> int:
        """The source port of a connection that picks this entry."""
        with socket.socket() as some:
            some.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            some.connect((f"127.{entry >> 16}.{entry >> 8 & 255}.{entry & 255}", _LISTENS))
            port = int(some.getsockname()[1])
        self._listener.accept()[0].close()
        return port

    def leave(self, entry: int, bit: int) -> None:
        """Connect until the next port says the bit."""
        low = _PERIOD // 2 * bit
        while not low <= self.next(entry) % _PERIOD <= low + _NEAR:
            pass

    def read(self, entry: int) -> int:
        """The bit that was left."""
        return self.next(entry) % _PERIOD * 2 // _PERIOD

    def await_new_secret(self) -> None:
        """Until a port is far from the one before it."""
        before = self.next(_WATCHED)
        for _ in range(int(_EDGE_SECONDS / 0.02)):
            sleep(0.02)
            here = self.next(_WATCHED)
            if abs(here - before) > _FAR:
                return
            before = here


def send(bits: list[int]) -> dict[str, object]:
    """Leave the bits, as many as can arrive before the secret changes again."""
    ports = Ports()
    ports.await_new_secret()
    begun = perf_counter_ns()
    placed = 0
    for entry, bit in enumerate(bits):
        if perf_counter_ns() - begun > _SEND_SECONDS * 1e9:
            break
        ports.leave(_address(entry), bit)
        placed += 1
    return {"seconds": (perf_counter_ns() - begun) / 1e9, "placed": placed}


def receive(count: int) -> dict[str, object]:
    """Read the bits; then leave some ourselves and see whether they can be told apart."""
    ports = Ports()
    begun = perf_counter_ns()
    guess = [ports.read(_address(entry)) for entry in range(count)]
    seconds = (perf_counter_ns() - begun) / 1e9
    known = [number % 2 for number in range(KNOWN)]
    for number, bit in enumerate(known):
        ports.leave(_address(count + number), bit)
    found = [ports.read(_address(count + number)) for number in range(KNOWN)]
    zeros = [bit for bit, true in zip(found, known, strict=True) if not true]
    ones = [bit for bit, true in zip(found, known, strict=True) if true]
    return {
        "guess": as_hex(guess),
        "seconds": seconds,
        "known_wrong": Cut(zeros, ones).wrong,
        "known": KNOWN,
        "holds": HOLDS,
    }


def _address(entry: int) -> int:
    """Past the addresses that programs use."""
    return entry + (7 << 16)
