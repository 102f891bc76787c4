"""Looks at what lies on the disk: what cannot be looked at never counts as not there."""

import errno
import os
from pathlib import Path

from harness.errors import InfrastructureError

_NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def is_there(path: Path) -> bool:
    """Whether anything lies there, of whatever kind; a link is not followed.

    Raises:
        InfrastructureError: it cannot be looked at.
    """
    try:
        path.lstat()
    except OSError as error:
        if error.errno in _NOTHING:
            return False
        raise _unseen(path, error) from error
    return True


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted; none where nothing lies there.

    Raises:
        InfrastructureError: it cannot be looked at, or is no folder.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unseen(folder, error) from error


def _unseen(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"cannot be looked at: {error.strerror or error}",
        file=path,
        remedy="see that it is what the harness wrote, and that you may read it",
    )
