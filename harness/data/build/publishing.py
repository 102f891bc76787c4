"""Directories that appear whole under their final name, or not at all."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.data.format.manifest import FOLDERS
from harness.errors import InfrastructureError
from harness.safeio.files import disk_errors, sync_directory


def refuse_existing(destination: Path, *, replace: bool) -> None:
    """Refuse, before any work is done, to replace an older dataset unless that is requested.

    Raises:
        InfrastructureError: the destination exists, and ``replace`` is false.
    """
    if os.path.lexists(destination) and not replace:
        raise InfrastructureError("exists already", file=destination, remedy="remove it first")


@contextlib.contextmanager
def staging(destination: Path) -> Iterator[Path]:
    """A directory beside ``destination`` that is removed at the end, unless it was renamed."""
    with disk_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{staging_prefix(destination.name)}new-"
        directory = Path(tempfile.mkdtemp(dir=destination.parent, prefix=prefix))
    try:
        with disk_errors(directory):
            # The user in a container is another one, and must be able to read what is mounted.
            directory.chmod(0o755)
            for folder in sorted(set(FOLDERS.values()) - {""}):
                (directory / folder).mkdir()
                (directory / folder).chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def publish(directory: Path, destination: Path) -> None:
    """Rename ``directory`` to its final name; it replaces an older one with that name.

    Raises:
        InfrastructureError: it cannot be renamed; the older one is left as it was.
    """
    with disk_errors(destination):
        if os.path.lexists(destination):
            prefix = f"{staging_prefix(destination.name)}old-"
            aside = Path(tempfile.mkdtemp(dir=destination.parent, prefix=prefix))
            try:
                older = destination.rename(aside / destination.name)
                try:
                    directory.rename(destination)
                except OSError:
                    older.rename(destination)
                    raise
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        else:
            directory.rename(destination)
        sync_directory(destination.parent)


def staging_prefix(name: str) -> str:
    """The prefix of the names of a build's temporary directories."""
    return f".{name}.building-"


@contextlib.contextmanager
def only_builder(root: Path, name: str) -> Iterator[None]:
    """Wait until no other process builds under ``root``; remove what killed builds left behind.

    Raises:
        InfrastructureError: ``root`` cannot be made or locked.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, os.O_RDONLY)
    try:
        with disk_errors(root):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for stale in root.glob(f"{staging_prefix(name)}*"):
                shutil.rmtree(stale, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)
