"""How much memory this machine, or the container that we run in, has left."""

import contextlib
from pathlib import Path

# The memory limit of a control group and its current use, in versions 2 and 1.
_GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def available_bytes() -> int:
    """Bytes that processes can allocate before the kernel begins to kill some of them.

    In a control group, cached pages of files count as used although the kernel would free them, so
    the estimate is low rather than high.
    """
    import psutil

    found = int(psutil.virtual_memory().available)
    for limit, used in _GROUPS:
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            found = min(found, int(limit.read_text()) - int(used.read_text()))
    return max(found, 0)
