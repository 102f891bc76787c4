"""Who was killed for memory: the engine's flag, which can be late or lost, and the kernel's count.

The engine hears of it by an event of its own, in no order with the event of the end; the group
whose event it is may be gone before it was read. The kernel's count is of the whole machine: it
tells that somebody was killed for memory meanwhile, and not whose limit it was.
"""

import time
from collections.abc import Callable
from pathlib import Path

_VMSTAT = Path("/proc/vmstat")
_FLAG_SECONDS = 2.0
_AGAIN_SECONDS = 0.1


def kills_on_this_machine() -> int | None:
    """How many processes this machine's kernel has killed for memory; None where it is silent."""
    try:
        lines = _VMSTAT.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def is_flagged(flagged: Callable[[], bool]) -> bool:
    """Whether the engine says that a container was killed for memory: asked for two seconds."""
    deadline = time.monotonic() + _FLAG_SECONDS
    while not flagged():
        if time.monotonic() > deadline:
            return False
        time.sleep(_AGAIN_SECONDS)
    return True


def killed_since(before: int | None) -> bool:
    """Whether the kernel has killed anybody for memory since it counted so many."""
    now = kills_on_this_machine()
    return now is not None and before is not None and now > before
