"""Figures that NVIDIA's driver shows of each GPU to everybody who may use one.

All are asked for, each by itself. Left out is what tells only of the moment at which it is asked
(PCIe's throughput, running processes), and what no phase moves (limits, versions, numbers of
parts). Layouts and numbers are those of ``nvml.h``. Never run on a GPU yet.
"""

import ctypes
import glob
import os
import re
from collections.abc import Iterator, Sequence
from ctypes import byref, c_double, c_longlong, c_uint, c_ulonglong
from typing import Any, NamedTuple

from .gpu_driver import ENERGY, READABLE, SUCCESS, WIDE, Answer, Driver, answered, driver

_FIELDS_AT_ONCE = 32
_PROC = "/proc/driver/nvidia*"
_ERRORS = "/sys/bus/pci/devices/*/aer_dev_*"
_CONSTANT = frozenset({"information", "params", "patches", "registry", "version"})
_NUMBER = re.compile(r"(?<![A-Za-z\d])\d+")


class Figure(NamedTuple):
    """A question: its call, what is given, what it fills, and how many bits a phase can put there.

    Each of ``out`` is filled through a pointer of its own; an array stands for a structure of equal
    parts. ``bits`` go with the parts in order; 0 for those that no phase moves.
    """

    name: str
    call: str
    given: tuple[int, ...] = ()
    out: tuple[Any, ...] = (c_uint,)
    bits: tuple[int, ...] = (WIDE,)


class _Number(ctypes.Union):
    _fields_ = [("real", c_double), ("whole", c_ulonglong)]


class Field(ctypes.Structure):
    """``nvmlFieldValue_t``; the scope is a link's number, where a figure is a link's."""

    _fields_ = [
        ("id", c_uint),
        ("scope", c_uint),
        ("microseconds", c_longlong),
        ("took", c_longlong),
        ("type", c_uint),
        ("code", c_uint),
        ("value", _Number),
    ]


_PAIR, _TRIPLE = c_ulonglong * 2, c_ulonglong * 3
_POLICIES = (*range(6), 10, 11)
LINKS = 36
FIGURES = (
    Figure("energy", ENERGY, (), (c_ulonglong,)),
    Figure("power", "nvmlDeviceGetPowerUsage", bits=(21,)),  # milliwatts, 2,097 W
    Figure("temperature", "nvmlDeviceGetTemperature", (0,), bits=(7,)),
    *(Figure("clocks", "nvmlDeviceGetClockInfo", (kind,), bits=(13,)) for kind in range(4)),
    *(Figure("set clocks", "nvmlDeviceGetApplicationsClock", (k,), bits=(13,)) for k in (0, 2)),
    Figure("clock reasons", "nvmlDeviceGetCurrentClocksEventReasons", (), (c_ulonglong,), (16,)),
    Figure("performance state", "nvmlDeviceGetPerformanceState", bits=(5,)),
    Figure("fan", "nvmlDeviceGetFanSpeed", bits=(7,)),
    Figure("utilization", "nvmlDeviceGetUtilizationRates", (), (c_uint * 2,), (7, 7)),
    Figure("encoder", "nvmlDeviceGetEncoderUtilization", (), (c_uint, c_uint), (7, 0)),
    Figure("decoder", "nvmlDeviceGetDecoderUtilization", (), (c_uint, c_uint), (7, 0)),
    # All of it, what is free, and what is used: two of them say the third.
    Figure("memory", "nvmlDeviceGetMemoryInfo", (), (_TRIPLE,), (0, 0, WIDE)),
    Figure("mapped memory", "nvmlDeviceGetBAR1MemoryInfo", (), (_TRIPLE,), (0, 0, WIDE)),
    # A clock, and for how much of it a policy held the device back.
    *(
        Figure("held back", "nvmlDeviceGetViolationStatus", (policy,), (_PAIR,), (0, WIDE))
        for policy in _POLICIES
    ),
    Figure("PCIe replays", "nvmlDeviceGetPcieReplayCounter"),
    Figure("PCIe link", "nvmlDeviceGetCurrPcieLinkGeneration", bits=(3,)),
    Figure("PCIe link", "nvmlDeviceGetCurrPcieLinkWidth", bits=(6,)),
    *(
        Figure("ECC", "nvmlDeviceGetTotalEccErrors", (error, counter), (c_ulonglong,))
        for error in range(2)
        for counter in range(2)
    ),
    Figure("rows", "nvmlDeviceGetRemappedRows", (), (c_uint,) * 4, (WIDE, WIDE, 1, 1)),
    *(
        Figure("NVLink errors", "nvmlDeviceGetNvLinkErrorCounter", (link, kind), (c_ulonglong,))
        for link in range(LINKS)
        for kind in range(5)
    ),
)
"""What is asked of each device. Left out is what only says what goes on at the moment (PCIe's
throughput of 20 ms), and what no phase moves (limits, versions, numbers of parts)."""

FIELDS: dict[str, tuple[tuple[int, int], ...]] = {
    "ECC of parts": ((7, 28),),
    "retired pages": ((29, 31), (92, 93), (301, 304), (307, 307)),
    "NVLink bandwidth": ((60, 73), (120, 131)),
    "memory temperature": ((82, 82),),
    "PCIe errors": ((95, 95), (169, 169), (173, 183)),
    "mean power": ((185, 186),),
    "energy of parts": ((191, 191),),
    "PCIe bytes": ((197, 198),),
    "C2C errors": ((231, 233),),
    "slowdowns": ((269, 271),),
    "stalls": ((297, 297),),
}
"""Ids of fields, first and last: those of ``NVML_FI_DEV_*`` that no call above tells."""
LINK_FIELDS: dict[str, tuple[tuple[int, int], ...]] = {
    "NVLink traffic": ((138, 141), (201, 204), (294, 295)),
    "NVLink error counts": ((161, 163), (205, 222), (235, 250), (289, 293)),
}
"""The same of each link."""


def figures() -> list[Answer]:
    """Every figure of every device, and the files."""
    opened = driver()
    told = [
        answer
        for device in opened.devices
        for answer in (
            *(_figure(opened, device, figure) for figure in FIGURES),
            *_fields(opened, device),
        )
    ]
    return [*told, files()]


def files() -> Answer:
    """Numbers below the driver's files, and errors that the kernel counts of devices on PCIe.

    A number that belongs to a word (``D3``) is none.
    """
    found = 0
    paths = glob.glob(_ERRORS)
    for place, _, names in (step for top in glob.glob(_PROC) for step in os.walk(top)):
        paths += [os.path.join(place, name) for name in names if name not in _CONSTANT]
    for path in paths:
        try:
            with open(path, errors="replace") as file:
                found += sum(text.strip("0") != "" for text in _NUMBER.findall(file.read(1 << 16)))
        except OSError:
            continue
    return Answer("files", READABLE, found, WIDE * found)


def _figure(opened: Driver, device: ctypes.c_void_p, figure: Figure) -> Answer:
    out = [kind() for kind in figure.out]
    code = opened.ask(figure.call, device, *map(c_uint, figure.given), *map(byref, out))
    parts = [value for one in out for value in _parts(one)]
    return answered(figure.name, code, parts, figure.bits)


def _parts(one: Any) -> list[int]:
    return list(one) if isinstance(one, ctypes.Array) else [one.value]


def _fields(opened: Driver, device: ctypes.c_void_p) -> Iterator[Answer]:
    wanted = [(name, id, 0) for name, ranges in FIELDS.items() for id in _ids(ranges)]
    active = c_uint()
    links = [
        link
        for link in range(LINKS)
        if opened.ask("nvmlDeviceGetNvLinkState", device, c_uint(link), byref(active)) == SUCCESS
    ]
    for name, ranges in LINK_FIELDS.items():
        wanted += [(name, id, link) for link in links for id in _ids(ranges)]
    for start in range(0, len(wanted), _FIELDS_AT_ONCE):
        some = wanted[start : start + _FIELDS_AT_ONCE]
        asked = (Field * len(some))(*(Field(id, scope) for _, id, scope in some))
        code = opened.ask("nvmlDeviceGetFieldValues", device, ctypes.c_int(len(some)), asked)
        for (name, _, _), field in zip(some, asked, strict=True):
            yield answered(name, code or field.code, [field.value.whole], [WIDE])


def _ids(ranges: Sequence[tuple[int, int]]) -> list[int]:
    return [id for first, last in ranges for id in range(first, last + 1)]
