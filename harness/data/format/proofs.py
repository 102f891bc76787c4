"""Datasets that were read whole on this machine are not read again until a file was touched.

A proof says: when all files of a directory were read last, they were a dataset with this digest,
and each had this inode, size, time of its content and time of its inode. Nobody but root can set
the last one back (``ctime``), and no other file has the inode. So while all of them are the same,
so is the content, if three things hold; where one does not, nothing is kept or believed:

- Only we and root may write the files. Somebody else could hold one mapped into memory, and write
  there without any time being changed.
- None was touched just before it was read: two changes in one tick of a clock have one time.
- The proof lies in a directory that only we may write, which no sandbox sees, and names this
  machine: a home that several machines share holds a proof for each.

Disks rot without touching a time, so a proof is believed for a week at most; and by the code that
made it alone, since another may check more.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from harness.data.format.dataset import Dataset, named_dataset, open_dataset
from harness.errors import InfrastructureError
from harness.evidence.digests import measured_by
from harness.models import Exact
from harness.safeio.files import sha256_of_bytes, write_atomically
from harness.safeio.parsing import ParseError, parse_model
from harness.safeio.reading import read_inside

BELIEVED_SECONDS = 7 * 86_400
SETTLED_SECONDS = 60
"""So long before it is read, a file must have been left alone; clocks of file servers differ."""
LIMIT_BYTES = 64 << 20
_MACHINE = Path("/etc/machine-id")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Touched(Exact):
    """What changes when a file does: ``path`` is relative to the dataset, times are nanoseconds."""

    path: str
    device: int
    inode: int
    bytes: int
    modified: int
    changed: int


class Proof(Exact):
    """That a directory held a dataset: ``digest`` is that of its manifest, ``read_at`` seconds."""

    format: int = 1
    machine: str
    measured_by: str
    directory: str
    digest: str
    read_at: float
    files: tuple[Touched, ...]


class UnsettledError(Exception):
    """Files of which no state says that they are unchanged."""


def open_proven(root: Path, name: str, *, proofs: Path | None = None) -> Dataset:
    """A dataset, checked in full unless that was done on this machine, and no file touched since.

    Args:
        root: directory of the datasets.
        name: of the dataset.
        proofs: where proofs are kept; by default in the user's cache.

    Raises:
        UsageError: as :func:`open_dataset`.
        InfrastructureError: the same.
    """
    proofs = proofs or kept_in()
    began = time.time()
    before = _expected(root / name, began)
    if before is not None and (dataset := _believed(root, name, before, proofs)) is not None:
        return dataset
    dataset = open_dataset(root, name)
    if before is not None:
        _keep(dataset, before, proofs)
    return dataset


def kept_in() -> Path:
    """The directory of proofs: the user's own."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "parameter-golf-harness" / "proven"


def state_of(directory: Path) -> tuple[Touched, ...]:
    """All files below a directory, links among them, in the order of their paths."""
    return tuple(sorted((touched for touched, _ in _looked_at(directory)), key=lambda at: at.path))


def _looked_at(directory: Path) -> Iterator[tuple[Touched, os.stat_result]]:
    for place, _, names in os.walk(directory):
        for name in names:
            path = Path(place, name)
            status = path.lstat()
            touched = Touched(
                path=path.relative_to(directory).as_posix(),
                device=status.st_dev,
                inode=status.st_ino,
                bytes=status.st_size,
                modified=status.st_mtime_ns,
                changed=status.st_ctime_ns,
            )
            yield touched, status


def _expected(directory: Path, now: float) -> Proof | None:
    """What a proof would say of these files now, but for their digest; None: none can be had."""
    try:
        machine = read_inside(_MACHINE.parent, _MACHINE.name, limit_bytes=256)
        files = sorted(_settled(directory.resolve(), now), key=lambda touched: touched.path)
    except (OSError, UnsettledError):
        return None
    return Proof(
        machine=sha256_of_bytes(machine),
        measured_by=measured_by(),
        directory=str(directory.resolve()),
        digest="",
        read_at=now,
        files=tuple(files),
    )


def _settled(directory: Path, now: float) -> Iterator[Touched]:
    """All files; raises UnsettledError if one was touched just now, or is not ours alone."""
    for touched, status in _looked_at(directory):
        ours = status.st_uid in (0, os.geteuid()) and not status.st_mode & _OTHERS_WRITE
        left_alone = max(touched.modified, touched.changed) / 1e9 < now - SETTLED_SECONDS
        if not (ours and left_alone and stat.S_ISREG(status.st_mode)):
            raise UnsettledError
        yield touched


def _believed(root: Path, name: str, now: Proof, proofs: Path) -> Dataset | None:
    """The dataset of a proof that says what is so now."""
    try:
        _require_ours(proofs)
        content = read_inside(proofs, _name_of(now), limit_bytes=LIMIT_BYTES)
        proof = parse_model(Proof, content, limit_bytes=LIMIT_BYTES)
    except (OSError, UnsettledError, ParseError, ValidationError):
        return None
    if not 0 <= now.read_at - proof.read_at < BELIEVED_SECONDS:
        return None
    if proof.model_copy(update={"digest": "", "read_at": now.read_at}) != now:
        return None
    dataset = named_dataset(root, name)
    return dataset if dataset.digest == proof.digest else None


def _keep(dataset: Dataset, before: Proof, proofs: Path) -> None:
    """Keep a proof, if nothing changed while everything was read; it is no loss if none can be."""
    if state_of(dataset.directory) != before.files:
        return
    proof = before.model_copy(update={"digest": dataset.digest})
    with contextlib.suppress(OSError, UnsettledError, InfrastructureError):
        proofs.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_ours(proofs)
        for old in proofs.glob("*.json"):
            if old.stat().st_mtime < before.read_at - BELIEVED_SECONDS:
                old.unlink()
        write_atomically(proofs / _name_of(proof), proof.model_dump_json().encode())


def _require_ours(directory: Path) -> None:
    """Raises UnsettledError if somebody else may write in a directory; OSError if none is there."""
    status = directory.lstat()
    ours = status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_WRITE
    if not (ours and stat.S_ISDIR(status.st_mode)):
        raise UnsettledError


def _name_of(proof: Proof) -> str:
    return sha256_of_bytes(f"{proof.machine}\0{proof.directory}".encode()) + ".json"
