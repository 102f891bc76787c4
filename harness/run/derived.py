"""Datasets made with entries' own tokenizers: kept for reuse, within limits.

They lie in ``derived/`` beside the datasets, each under a digest of its sources. A change of one
byte in a tokenizer's normal form makes another dataset, so their number and size are limited, and
the least recently used ones are removed before a new one is made.

There are two locks, both released when their process ends: one on ``derived/`` itself, held by
whoever makes, opens or removes a dataset there, so that these never overlap; and one on each
dataset, shared by all its users for as long as they use it. A dataset is renamed before it is
removed, and gets its name only when it is complete: a name that is no digest is never a dataset.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from harness.data.build.publishing import only_builder, staging_prefix
from harness.data.format.manifest import MANIFEST_NAME, load_manifest
from harness.data.format.reading import reading
from harness.errors import InfrastructureError, UsageError
from harness.hardware.machine import disk_free_bytes
from harness.models import Exact
from harness.safeio.files import disk_errors, write_atomically
from harness.safeio.parsing import ParseError, parse_model, problems_of
from harness.safeio.reading import read_inside

FOLDER = "derived"
"""Where they lie, beside the datasets themselves."""
LIMITS = "limits.json"
_KEY = re.compile(r"[0-9a-f]{64}")
_PARTS = ".parts"
_LARGEST_LIMITS_BYTES = 1 << 16


class Limits(Exact):
    """How much may be kept; stored beside the datasets, because the limits are about that disk.

    The default has room for four datasets of the official track, whose texts alone have tens of
    gigabytes.
    """

    bytes: int = Field(default=256_000_000_000, gt=0)
    datasets: int = Field(default=32, gt=0)


@dataclass(frozen=True)
class Kept:
    """One kept dataset.

    Attributes:
        directory: its directory, named by its key.
        bytes: the size of all its files.
        used_at: when it was last used, in seconds since 1970.
        source: what it was made of; empty if that cannot be read.
        in_use: whether somebody uses it now.
    """

    directory: Path
    bytes: int
    used_at: float
    source: str
    in_use: bool

    @property
    def key(self) -> str:
        """The digest of its sources."""
        return self.directory.name

    @property
    def used(self) -> str:
        """When it was last used, as text for people."""
        return datetime.fromtimestamp(self.used_at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def derived(data: Path) -> Path:
    """The directory of the derived datasets in a data directory."""
    return data / FOLDER


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Wait until no other process makes, opens or removes a dataset under ``root``.

    What killed processes left incomplete, or partly removed, is removed.

    Raises:
        InfrastructureError: ``root`` cannot be made or locked.
    """
    with only_builder(root, "*"):
        yield


def use(directory: Path, holds: ExitStack) -> None:
    """Hold a dataset until ``holds`` is closed, so that nobody removes it; record its use.

    Raises:
        InfrastructureError: it cannot be opened or locked.
    """
    with disk_errors(directory):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        holds.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    with contextlib.suppress(OSError):  # the disk may be read-only for us
        os.utime(directory)


def limits_of(root: Path) -> Limits:
    """The limits that were set, or the defaults.

    Raises:
        InfrastructureError: the file that holds them is damaged.
    """
    try:
        content = read_inside(root, LIMITS, limit_bytes=_LARGEST_LIMITS_BYTES)
        return parse_model(Limits, content, limit_bytes=_LARGEST_LIMITS_BYTES)
    except FileNotFoundError:
        return Limits()
    except (OSError, ParseError, ValidationError) as error:
        problems = problems_of(error) if isinstance(error, ValidationError) else ()
        raise InfrastructureError(
            "expected how much may be kept, as JSON" if problems else f"cannot be read: {error}",
            file=root / LIMITS,
            problems=problems,
            remedy="remove it; `harness data derived` sets limits anew",
        ) from error


def set_limits(root: Path, limits: Limits) -> None:
    """Store other limits; they apply from the next dataset that is made.

    Raises:
        InfrastructureError: they cannot be written.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    write_atomically(root / LIMITS, limits.model_dump_json(indent=2).encode() + b"\n")


def parts_of(root: Path, key: str) -> Path:
    """The directory of what was made already of a dataset that is being made part by part."""
    return root / f".{key}{_PARTS}"


def drop_other_parts(root: Path, key: str = "") -> None:
    """Remove what was left of other datasets that nobody completed; within :func:`only_one`."""
    for place in root.glob(f".*{_PARTS}"):
        if place != parts_of(root, key):
            shutil.rmtree(place, ignore_errors=True)


def kept(root: Path) -> list[Kept]:
    """All kept datasets, the least recently used one first."""
    found = []
    if root.is_dir():
        with reading(root):
            paths = [path for path in root.iterdir() if _KEY.fullmatch(path.name)]
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(FileNotFoundError):  # removed at this moment
                    found.append(_kept(path))
    return sorted(found, key=lambda each: (each.used_at, each.key))


def make_room(root: Path, *, need_bytes: int, note: Callable[[str], None]) -> None:
    """Remove the least recently used datasets until a new one of ``need_bytes`` fits.

    It must fit into the limits and on the disk. Datasets in use are kept. Call this within
    :func:`only_one`.

    Raises:
        InfrastructureError: it does not fit, even if all others are removed.
    """
    limits, left = limits_of(root), kept(root)
    stay = [each for each in left if each.in_use]
    idle = [each for each in left if not each.in_use]
    to_win = sum(each.bytes for each in idle)
    # If it cannot fit, nothing is removed.
    problem = _too_much(stay, need_bytes, limits, disk_free_bytes(root) + to_win)
    while not problem and _too_much(left, need_bytes, limits, disk_free_bytes(root)):
        if not idle:
            problem = _too_much(left, need_bytes, limits, disk_free_bytes(root))
            break
        oldest = idle.pop(0)
        if remove(oldest):
            left.remove(oldest)
            note(f"removed a derived dataset of {oldest.bytes:,} bytes, last used {oldest.used}")
    if problem:
        raise InfrastructureError(
            problem,
            file=root,
            remedy="free some space there, wait until those in use are free, or set other limits "
            "(harness data derived --limit-gigabytes, --limit-datasets)",
        )


def remove(dataset: Kept) -> bool:
    """Remove one unless it is in use; return whether it was removed. Call within :func:`only_one`.

    Raises:
        InfrastructureError: it cannot be renamed.
    """
    if _in_use(dataset.directory):
        return False
    aside = dataset.directory.with_name(f"{staging_prefix(dataset.key)}old")
    with disk_errors(aside):
        dataset.directory.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
    return True


def clear(root: Path, keys: Collection[str] = ()) -> tuple[list[Kept], list[Kept]]:
    """Remove kept datasets: all, or those whose keys begin with one of ``keys``.

    Returns:
        The removed datasets, and those kept because they are in use.

    Raises:
        UsageError: no dataset has such a key.
        InfrastructureError: a dataset is being made, or the directory cannot be changed.
    """
    if not root.is_dir():
        _chosen(root, keys)
        return [], []
    if _in_use(root):
        raise InfrastructureError(
            "another harness is making a derived dataset",
            file=root,
            remedy="wait for it to end",
        )
    with only_one(root):
        chosen = _chosen(root, keys)
        if not keys:
            drop_other_parts(root)
        gone = [each for each in chosen if remove(each)]
        return gone, [each for each in chosen if each not in gone]


def _chosen(root: Path, keys: Collection[str]) -> list[Kept]:
    found = kept(root)
    for key in keys:
        if not key or not any(each.key.startswith(key) for each in found):
            raise UsageError(
                f"no derived dataset's key begins with {key[:80]!r}; "
                "`harness data derived` lists them",
                file=root,
            )
    return [each for each in found if not keys or each.key.startswith(tuple(keys))]


def _too_much(left: Collection[Kept], need_bytes: int, limits: Limits, free_bytes: int) -> str:
    """Why one more does not fit beside ``left``; empty if it does."""
    total = sum(each.bytes for each in left)
    if len(left) >= limits.datasets:
        return f"{len(left):,} derived datasets are in use, and {limits.datasets:,} may be kept"
    if total + need_bytes > limits.bytes:
        return (
            f"a derived dataset may need {need_bytes:,} bytes; beside {total:,} bytes in use that "
            f"is more than the {limits.bytes:,} that may be kept"
        )
    if free_bytes < need_bytes:
        return f"a derived dataset may need {need_bytes:,} bytes; {free_bytes:,} can be had there"
    return ""


def _kept(directory: Path) -> Kept:
    source = ""
    with contextlib.suppress(InfrastructureError):
        source = load_manifest(directory / MANIFEST_NAME).source
    size = 0
    for place, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += Path(place, name).lstat().st_size
    return Kept(
        directory=directory,
        bytes=size,
        used_at=directory.stat().st_mtime,
        source=source,
        in_use=_in_use(directory),
    )


def _in_use(directory: Path) -> bool:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
