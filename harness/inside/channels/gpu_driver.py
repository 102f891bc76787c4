"""NVIDIA's management library (NVML), asked by hand: the image needs no package and no program.

Calls and codes are those of ``nvml.h``. What is refused, not supported or unknown to this driver is
told as that. Never run on a GPU yet.
"""

import ctypes
import time
from collections.abc import Sequence
from ctypes import byref, c_uint, c_ulonglong
from functools import cache
from typing import NamedTuple

LIBRARY = "libnvidia-ml.so.1"
BEGAN = time.time_ns() // 1000
"""Microseconds of Unix time at which this process began; what is older, another one did."""

WIDE = 32
"""Bits of a count: a million moves a second, for 600 s, are 2**29.2."""

ENERGY = "nvmlDeviceGetTotalEnergyConsumption"
SUCCESS = 0
_REFUSED = frozenset({4})
# Of an argument, a call, a figure or a version that this driver or device does not know; no data.
_NOT_SUPPORTED = frozenset({2, 3, 13, 21, 22, 25, 26})
_LACKING = -1  # no code of NVML: this library does not have the call
# Nothing was counted yet, or the value stands for one that is not available.
_NOTHING = frozenset({0, (1 << 32) - 1, (1 << 64) - 1})

READABLE, REFUSED, NOT_SUPPORTED = "readable", "refused", "not supported"
LACKING = "not in this library"
"""What can come of a question; anything else is told as the code that was answered."""

NOTHING_TOLD = frozenset({REFUSED, NOT_SUPPORTED, LACKING})
"""After these there is nothing to read."""


class NotHereError(Exception):
    """What a channel needs of GPUs is not here, or does not work; a sentence for people.

    That says nothing of the channel: whoever looked could not look.
    """


class Answer(NamedTuple):
    """What one device says to one question: how many numbers, and the bits that they hold."""

    name: str
    state: str
    numbers: int = 0
    bits: int = 0


class Driver(NamedTuple):
    """The library, and the devices that this process may ask."""

    library: ctypes.CDLL
    devices: tuple[ctypes.c_void_p, ...]

    def ask(self, call: str, *given: object) -> int:
        """The code that a call answers; one below zero where this library lacks it."""
        try:
            function = getattr(self.library, call)
        except AttributeError:
            return _LACKING
        return int(function(*given))


@cache
def driver() -> Driver:
    """The driver, begun; it is left open until the process ends.

    Raises:
        NotHereError: no library, no driver, or no device that may be asked.
    """
    try:
        opened = Driver(ctypes.CDLL(LIBRARY), ())
    except OSError as error:
        raise NotHereError(
            f"{LIBRARY} cannot be loaded here, but a submission could bring its own: {error}"
        ) from error
    code = opened.ask("nvmlInitWithFlags", c_uint(0))
    if code != SUCCESS:
        raise NotHereError(f"NVML does not begin: {state_of(code)}")
    count = c_uint()
    code = opened.ask("nvmlDeviceGetCount_v2", byref(count))
    codes, found = {code}, []
    for index in range(count.value if code == SUCCESS else 0):
        device = ctypes.c_void_p()
        code = opened.ask("nvmlDeviceGetHandleByIndex_v2", c_uint(index), byref(device))
        codes.add(code)
        if code == SUCCESS:
            found.append(device)
    if not found:
        raise NotHereError(f"NVML shows no device: {', '.join(map(state_of, sorted(codes)))}")
    return opened._replace(devices=tuple(found))


def state_of(code: int) -> str:
    """What came of a question, by its code."""
    if code == SUCCESS:
        return READABLE
    if code in _REFUSED:
        return REFUSED
    if code == _LACKING:
        return LACKING
    return NOT_SUPPORTED if code in _NOT_SUPPORTED else f"code {code}"


def energy(places: object = None) -> int:
    """Millijoules of the first device since its driver was loaded; OSError where it has none."""
    told = c_ulonglong()
    opened = driver()
    code = opened.ask(ENERGY, opened.devices[0], byref(told))
    if code != SUCCESS:
        raise OSError(code, f"{ENERGY}: {state_of(code)}")
    return told.value


def summed(answers: Sequence[Answer]) -> dict[str, object]:
    """Numbers that can be read and bits that they hold; and what came of each question.

    A question that failed in a way that is not known counts as if it had been answered.
    """
    states: dict[str, list[str]] = {READABLE: []}
    for state, name in sorted({(answer.state, answer.name) for answer in answers}):
        states.setdefault(state, []).append(name)
    return {
        "values": sum(answer.numbers for answer in answers),
        "holds": sum(answer.bits for answer in answers),
        "said": "; ".join(
            f"{state}: {', '.join(found)}" for state, found in states.items() if found
        ),
    }


def answered(name: str, code: int, values: Sequence[int], bits: Sequence[int]) -> Answer:
    """What one question came to; ``bits`` go with the values in order."""
    state = state_of(code)
    if state in NOTHING_TOLD:
        return Answer(name, state)
    if code != SUCCESS:
        return Answer(name, state, sum(map(bool, bits)), sum(bits))
    pairs = zip(values, bits, strict=True)
    moved = [each for value, each in pairs if each and value not in _NOTHING]
    return Answer(name, state, len(moved), sum(moved))
