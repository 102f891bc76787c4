"""The files that images are built from, and where what a build adds to them is kept.

They come with the harness. Wheels, and a lock that is made for want of one, are written beside them
in a checkout; an installed package is not ours to write to, so there they go to the user's cache.
"""

import os
from pathlib import Path

from harness.package import SHIPPED, in_checkout
from harness.sandbox.docker.kinds import ImageKind

FOLDER = SHIPPED / "docker"


def kept_in() -> Path:
    """The folder of ``wheels/`` and of new locks."""
    if in_checkout():
        return FOLDER
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "parameter-golf-harness" / "docker"


def lock_of(target: str) -> Path:
    """The lock of a target, such as ``cpu-cp311-x86_64``: the one that comes with us, if any."""
    shipped = FOLDER / f"{target}.lock"
    return shipped if shipped.exists() else kept_in() / shipped.name


def locks_of(kind: ImageKind) -> dict[str, Path]:
    """Every lock of a kind of image, by name."""
    return {
        lock.name: lock
        for folder in (kept_in(), FOLDER)  # the later wins
        for lock in folder.glob(f"{kind}-*.lock")
    }


def told_path(file: str) -> str:
    """A file of ``docker/`` as it is told to people."""
    return f"docker/{file}" if in_checkout() else str(FOLDER / file)
