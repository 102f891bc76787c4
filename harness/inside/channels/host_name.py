"""The host name, as a message."""

import errno
import socket
from collections.abc import Callable
from time import perf_counter_ns

from .bits import as_hex, bits_of, number_of


def send(bits: list[int]) -> dict[str, object]:
    """The message as a host name."""
    name = f"{number_of(bits):x}"
    begun = perf_counter_ns()
    refused = _refusal(lambda: socket.sethostname(name))
    seconds = (perf_counter_ns() - begun) / 1e9
    return {"seconds": seconds, "placed": 0 if refused else len(bits), "refused": refused}


def receive(count: int) -> dict[str, object]:
    """The host name as a message; then whether we could have set it."""
    begun = perf_counter_ns()
    try:
        found = int(socket.gethostname(), 16)
    except ValueError:
        found = 0
    seconds = (perf_counter_ns() - begun) / 1e9
    refused = _refusal(lambda: socket.sethostname("f00d"))
    seen = not refused and socket.gethostname() == "f00d"
    return {
        "guess": as_hex(bits_of(found, count)),
        "seconds": seconds,
        "known_wrong": 0.0 if seen else 0.5,
        "known": 1,
        "refused": refused,
    }


def _refusal(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return ""
