"""Who was killed for memory: the engine's flag, which can be late or lost, and the kernel's count.

The engine hears of it by an event of its own, in no order with the event of the end; the group
whose event it is may be gone before it was read. The kernel's count is of the whole machine, so
it only says whether a death by SIGKILL that nobody sent has that reason.
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


def was_reason(flagged: Callable[[], bool], *, kills_before: int | None) -> bool:
    """Whether a first process that died by somebody's SIGKILL was killed for memory.

    Args:
        flagged: asks the engine; asked again for two seconds, since its flag may come late.
        kills_before: the kernel's count before the start; None where it is silent.
    """
    deadline = time.monotonic() + _FLAG_SECONDS
    while not flagged():
        if time.monotonic() > deadline:
            kills = kills_on_this_machine()
            return kills is not None and kills_before is not None and kills > kills_before
        time.sleep(_AGAIN_SECONDS)
    return True
