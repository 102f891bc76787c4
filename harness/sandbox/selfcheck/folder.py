"""A directory whose ``code`` is one of our packages, as it is mounted into a phase of ours."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.safeio import ownership
from harness.safeio.files import disk_errors

_WITHOUT_CACHES = shutil.ignore_patterns("__pycache__")


@contextmanager
def probe_directory(package: Path) -> Iterator[Path]:
    """A directory of ours that holds ``package`` below ``code``; removed in the end."""
    folder = ownership.make_directory(Path(tempfile.gettempdir()))
    try:
        with disk_errors(folder):
            shutil.copytree(package, folder / "code" / package.name, ignore=_WITHOUT_CACHES)
            folder.chmod(0o711)
            mountable(folder / "code")
        yield folder
    finally:
        ownership.remove_tree(folder)


def mountable(directory: Path) -> None:
    """Let everybody read it: the user of a sandbox is nobody here."""
    with disk_errors(directory):
        for place, _, names in os.walk(directory):
            Path(place).chmod(0o755)
            for name in names:
                (Path(place) / name).chmod(0o644)
