"""How much memory this machine, or the container that we are in, has left."""

import contextlib
from pathlib import Path

# What a control group may have and what it has, in its versions 2 and 1.
_GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def available_bytes() -> int:
    """What processes can have before the kernel begins to end some of them.

    Within a control group pages of files count as taken, which the kernel would free: an
    estimate that is low rather than high.
    """
    import psutil

    found = int(psutil.virtual_memory().available)
    for limit, used in _GROUPS:
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            found = min(found, int(limit.read_text()) - int(used.read_text()))
    return max(found, 0)
