"""One verification at a time on a machine: phases that run side by side could talk to each other.

By caches, by memory, by how fast a core is just now: nothing that two sandboxes which follow each
other share carries as much. So what may become a record has the machine to itself, and whoever
comes meanwhile waits, before any clock of ours begins to run. Rehearsals, which prove nothing, run
beside each other.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.safeio.locks import waited_for

VARIABLE = "HARNESS_MACHINE_LOCK"
_NAME = "parameter-golf.lock"
_USUAL = Path("/run/lock")


def machine_lock() -> Path:
    """The file whose lock stands for this machine: ``HARNESS_MACHINE_LOCK``, or the usual one."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    return (_USUAL if os.access(_USUAL, os.W_OK) else Path(tempfile.gettempdir())) / _NAME


@contextmanager
def on_this_machine(*, alone: bool, note: Callable[[str], None]) -> Iterator[None]:
    """Be at work on this machine while the block lasts; waits for those who stand in the way.

    Args:
        alone: what runs may become a record.
        note: told once that it waits.

    Raises:
        InfrastructureError: the file of the lock cannot be opened, or its file system has none.
    """
    path = machine_lock()

    def waits() -> None:
        other = "another verification" if alone else "a verification that counts"
        note(f"{other} is at work on this machine; this waits for its end (lock {path})")

    with waited_for(path, alone=alone, waits=waits):
        yield
