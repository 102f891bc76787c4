"""What NVIDIA's driver remembers of the time before: samples, and processes that have ended.

Layouts and numbers are those of ``nvml.h``. Never run on a GPU yet.
"""

import ctypes
from collections.abc import Callable
from ctypes import byref, c_uint, c_ulonglong
from typing import Any

from .gpu_driver import (
    BEGAN,
    NOTHING_TOLD,
    READABLE,
    SUCCESS,
    WIDE,
    Answer,
    Driver,
    NotHereError,
    driver,
    state_of,
)

_NOT_FOUND, _TOO_SMALL = 6, 7
_TRIES = 3
_MOST = 1 << 16  # entries of a list; no driver keeps so many
_OTHER_CLOCK = 86_400_000_000  # microseconds: so far from now no sample is


class Sample(ctypes.Structure):
    """``nvmlSample_t``: microseconds, and a number of some type."""

    _fields_ = [("microseconds", c_ulonglong), ("value", c_ulonglong)]


class ProcessSample(ctypes.Structure):
    """``nvmlProcessUtilizationSample_t``."""

    _fields_ = [("pid", c_uint), ("microseconds", c_ulonglong), ("percents", c_uint * 4)]


SAMPLES = {0: 21, **dict.fromkeys((1, 2, 3, 4, 8, 9), 7), 5: 13, 6: 13, 7: 21}
"""Kinds of samples that the driver keeps, and bits of each: power, percents, clocks, power."""
# A process and its percents; besides, when; most memory, time and begin of one that has ended.
_PROCESS_BITS = 22 + 4 * 7 + WIDE
_ACCOUNT_BITS = 2 * 7 + 3 * WIDE


def history() -> list[Answer]:
    """What the driver kept of the time before this process: samples, and ended processes."""
    opened = driver()
    return [
        answer
        for device in opened.devices
        for answer in (
            *(_samples(opened, device, kind, bits) for kind, bits in SAMPLES.items()),
            _process_samples(opened, device),
            _accounts(opened, device),
        )
    ]


def _earlier(microseconds: int) -> bool:
    """Whether it was before this process; of a clock that is not ours nothing is known."""
    return microseconds < BEGAN or microseconds > BEGAN + _OTHER_CLOCK


def _samples(opened: Driver, device: ctypes.c_void_p, kind: int, bits: int) -> Answer:
    """Those from before this process began, zeros among them: that nothing was done says much."""
    form = c_uint()

    def ask(count: Any, entries: Any) -> int:
        return opened.ask(
            "nvmlDeviceGetSamples",
            device,
            c_uint(kind),
            c_ulonglong(0),
            byref(form),
            count,
            entries,
        )

    code, found = _listed(ask, Sample)
    old = [each for each in found if _earlier(each.microseconds)]
    return _history_answer("samples", code, len(old), bits)


def _process_samples(opened: Driver, device: ctypes.c_void_p) -> Answer:
    def ask(count: Any, entries: Any) -> int:
        return opened.ask("nvmlDeviceGetProcessUtilization", device, entries, count, c_ulonglong(0))

    code, found = _listed(ask, ProcessSample)
    old = [each for each in found if each.pid and _earlier(each.microseconds)]
    return _history_answer("samples of processes", code, len(old), _PROCESS_BITS)


def _accounts(opened: Driver, device: ctypes.c_void_p) -> Answer:
    """As many processes as the driver keeps, not as many as there are: a phase could fill it."""
    name, mode, room = "ended processes", c_uint(), c_uint()
    code = opened.ask("nvmlDeviceGetAccountingMode", device, byref(mode))
    if code == SUCCESS and not mode.value:
        return Answer(name, "switched off")
    code = code or opened.ask("nvmlDeviceGetAccountingBufferSize", device, byref(room))
    return _history_answer(name, code, room.value, _ACCOUNT_BITS)


def _history_answer(name: str, code: int, count: int, bits: int) -> Answer:
    """How many are there is not known where the question failed: then nothing is.

    Raises:
        NotHereError: it failed in a way that says nothing of what could be read.
    """
    if code == _NOT_FOUND:
        return Answer(name, READABLE)
    state = state_of(code)
    if code != SUCCESS and state not in NOTHING_TOLD:
        raise NotHereError(f"the driver's {name}: {state}")
    return Answer(name, state, count, count * bits)


def _listed(ask: Callable[[Any, Any], int], kind: Any) -> tuple[int, list[Any]]:
    """A list of the driver: first how much room it wants, then the list, which may have grown."""
    code, entries = _TOO_SMALL, []
    for _ in range(_TRIES):
        count = c_uint()
        code = ask(byref(count), None)
        if code not in (SUCCESS, _TOO_SMALL) or not count.value:
            return code, []
        room = (kind * min(_MOST, count.value))()
        count.value = len(room)
        code = ask(byref(count), room)
        if code == SUCCESS:
            entries = list(room[: min(len(room), count.value)])
        if code != _TOO_SMALL:
            break
    return code, entries
