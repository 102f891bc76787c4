"""The sealed artifact on demand: a script that is taken over gets it when it opens its own."""

import contextlib
import fcntl
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from harness.errors import InfrastructureError
from harness.safeio.files import CHUNK_BYTES


class Handover(NamedTuple):
    """A sealed file that workers ask for.

    ``memory`` is the descriptor of a memory with its content, which nobody can write: it has no
    path that would say whose it is. ``begins`` is called once, just before the first of them gets
    it: then the clock begins.
    """

    memory: int
    begins: Callable[[], None]


@contextlib.contextmanager
def sealed_memory(path: Path, *, sha256: str) -> Iterator[int]:
    """The content of a sealed file as a memory, while the block lasts.

    Raises:
        InfrastructureError: it is not the file that was sealed, or memory or disk failed.
    """
    descriptor = _sealed(path, sha256)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sealed(path: Path, sha256: str) -> int:
    descriptor = -1
    try:
        with path.open("rb") as file:
            descriptor = _memory()
            found = _copied(file, descriptor)
        _seal(descriptor)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise InfrastructureError(
            f"the sealed artifact cannot be read into memory: {error.strerror or error}",
            file=path,
            remedy="free memory on this machine; then --resume",
        ) from error
    if found != sha256:
        os.close(descriptor)
        raise InfrastructureError(
            "not the file that was sealed any more",
            file=path,
            remedy="leave the directory of the run alone meanwhile; then --resume",
        )
    return descriptor


def _copied(file: BinaryIO, descriptor: int) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
        left = memoryview(chunk)
        while left:
            left = left[os.write(descriptor, left) :]
    return digest.hexdigest()


def _memory() -> int:
    if sys.platform == "linux":
        return os.memfd_create("artifact", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    # Rehearsal only, where nothing keeps anybody from anything.
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _seal(descriptor: int) -> None:
    if sys.platform == "linux":
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
