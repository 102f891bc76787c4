"""Files that are never half-written, and digests of their content."""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from harness.errors import InfrastructureError

CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an operating system error while writing ``path`` into an InfrastructureError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise InfrastructureError(
            "the disk is full" if full else f"cannot write: {error.strerror or error}",
            file=path,
            remedy="free some space there, or choose a directory on another disk"
            if full
            else "check that the directory exists and that you may write to it",
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` so that ``path`` holds either its old or its whole new content.

    Raises:
        InfrastructureError: the disk is full or the directory is not writable.
    """
    with writing_atomically(path) as file:
        file.write(content)


@contextlib.contextmanager
def writing_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file to write in parts; it gets the name ``path`` at the end, if no error occurred.

    Raises:
        InfrastructureError: the disk is full or the directory is not writable. An operating system
            error raised inside the block is reported as an error of this file.
    """
    with disk_errors(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        sync_directory(path.parent)


def write_files(directory: Path, contents: dict[str, bytes]) -> None:
    """Write files by relative name, readable for everybody, whatever our umask is."""
    directory.mkdir(parents=True)
    for name, content in contents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def sync_directory(directory: Path) -> None:
    """Make renames in ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_bytes(content: bytes) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def digest_of_named(parts: dict[str, bytes]) -> str:
    """One SHA-256 over named contents; it depends on the names, but not on their order."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        encoded = name.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
        digest.update(len(parts[name]).to_bytes(8, "little") + parts[name])
    return digest.hexdigest()
