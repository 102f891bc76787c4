"""Clocks that advance by a fixed step a call, so that a run repeats.

Schedules follow the time that has gone by, so no two runs are the same by a true clock. Only the
script's own code sees this one: libraries wait and time out by the true one. Each thread has its
own count, so that the order in which threads run does not matter.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import _local

TYPE_CHECKING = False  # typing's own would be imported for it, by every process
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STEP_NANOSECONDS = 1_000_000
EPOCH_NANOSECONDS = 1_700_000_000 * 1_000_000_000
"""What ``time.time`` begins with; the others begin with 0."""

_CLOCKS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
_WORK = os.environ.get("HARNESS_STAND_IN_WORK", "").rstrip("/") + "/"
_sleep = time.sleep


class _Count(_local):
    nanoseconds = 0


_COUNT = _Count()


def _is_script(filename: str) -> bool:
    """Whether code of this file is the script's: below where it runs, or of no file at all."""
    return (
        not filename.startswith("/") and not filename.startswith("<frozen")
    ) or filename.startswith(_WORK)


def _still(real: Callable[[], Any], begin: int, *, whole: bool) -> Callable[[], Any]:
    def clock() -> Any:
        if not _is_script(sys._getframe(1).f_code.co_filename):
            return real()
        _COUNT.nanoseconds += STEP_NANOSECONDS
        now = begin + _COUNT.nanoseconds
        return now if whole else now / 1e9

    return clock


def _sleeping(seconds: Any, /) -> None:
    """Sleep truly, and have the script's clock go on by what was asked."""
    _sleep(seconds)
    if _is_script(sys._getframe(1).f_code.co_filename):
        _COUNT.nanoseconds += int(seconds * 1e9)


def hold_still() -> None:
    """Replace the functions of :mod:`time`."""
    for name in _CLOCKS:
        begin = EPOCH_NANOSECONDS if name == "time" else 0
        setattr(time, name, _still(getattr(time, name), begin, whole=False))
        setattr(time, f"{name}_ns", _still(getattr(time, f"{name}_ns"), begin, whole=True))
    time.sleep = _sleeping
