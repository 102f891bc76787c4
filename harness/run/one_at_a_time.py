"""One verification at a time on a machine: phases that run side by side could talk to each other.

By caches, by memory, by how fast a core is just now: nothing that two sandboxes which follow each
other share carries as much. So what may become a record has the machine to itself, and whoever
comes meanwhile waits, before any clock of ours begins to run. Rehearsals, which prove nothing, run
beside each other.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.errors import InfrastructureError
from harness.safeio.files import disk_errors
from harness.safeio.locks import folder_held, require_lockable, waited_for

VARIABLE = "HARNESS_MACHINE_LOCK"
_NAME = "parameter-golf.lock"
# The second where only root may write to the first; the same for all, whatever TMPDIR says.
_USUAL = (Path("/run/lock"), Path("/tmp"))  # noqa: S108


def machine_lock() -> Path:
    """The file whose lock stands for this machine: ``HARNESS_MACHINE_LOCK``, or the usual one."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    return (_USUAL[0] if os.access(_USUAL[0], os.W_OK) else _USUAL[1]) / _NAME


def check_machine_lock() -> None:
    """Look whether that file can be locked, before anything is begun.

    Raises:
        InfrastructureError: it cannot.
    """
    path = machine_lock()
    try:
        require_lockable(path)
    except InfrastructureError as error:
        raise _unusable(path, error) from error


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

    with ExitStack() as held:
        try:
            held.enter_context(waited_for(path, alone=alone, waits=waits))
        except InfrastructureError as error:
            raise _unusable(path, error) from error
        yield


@contextmanager
def one_begins(runs: Path) -> Iterator[None]:
    """Draw a plan while nobody else here does in that directory: the next one sees what is open.

    Raises:
        InfrastructureError: it cannot be made, or its file system has no locks.
    """
    with disk_errors(runs):
        runs.mkdir(parents=True, exist_ok=True)
    with folder_held(runs):
        yield


def _unusable(path: Path, error: InfrastructureError) -> InfrastructureError:
    return InfrastructureError(
        f"the lock that stands for this machine cannot be had: {error.message}",
        file=path,
        remedy=f"name a file with {VARIABLE} that everybody who runs a harness here may open",
    )
