"""Taking the artifact: one regular file, copied once, hashed on the way.

What both sandboxes share. How the bytes are reached without following links is theirs.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.evidence.results import ArtifactFacts
from harness.safeio.files import disk_errors, sync_directory
from harness.sandbox.protocol import ArtifactError


class AbsentError(ArtifactError):
    """There is no file of that name."""


def absent(name: str) -> ArtifactError:
    """The error for an artifact that was never written."""
    return AbsentError(f"artifact {name}: absent; train wrote no such file to OUTPUT_DIR")


def not_regular(name: str, kind: str) -> ArtifactError:
    """The error for an artifact that is something else than a file, or lies behind such a thing."""
    return ArtifactError(f"artifact {name}: must be a regular file, found a {kind}")


def require_size(name: str, size_bytes: int, *, limit_bytes: int) -> None:
    """Refuse an empty or too large artifact by its declared size, before a byte is copied.

    Raises:
        ArtifactError: empty, or larger than ``limit_bytes``.
    """
    if size_bytes <= 0:
        raise ArtifactError(f"artifact {name}: empty; train must write the model into it")
    if size_bytes > limit_bytes:
        raise ArtifactError(
            f"artifact {name}: {size_bytes:,} bytes, {size_bytes - limit_bytes:,} bytes over "
            f"the limit of {limit_bytes:,}"
        )


def copy_hashed(
    chunks: Iterable[bytes],
    destination: Path,
    *,
    name: str,
    size_bytes: int,
    on_copied: Callable[[], None] = lambda: None,
) -> ArtifactFacts:
    """Write ``chunks`` to ``destination``, whole or not at all, hashing them on the way.

    Args:
        chunks: the content; reading it may raise errors of its own, which pass through.
        destination: replaced when the copy is whole and on disk; read-only then.
        name: the artifact's name, for facts and messages.
        size_bytes: its declared size.
        on_copied: called when the last byte was read, before we wait for our disk.

    Raises:
        ArtifactError: the content is shorter or longer than declared.
        InfrastructureError: our disk failed.
    """
    digest = hashlib.sha256()
    copied = 0
    with disk_errors(destination):
        descriptor, temporary = tempfile.mkstemp(
            dir=destination.parent, prefix=f".{destination.name}."
        )
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in chunks:
                copied += len(chunk)
                if copied > size_bytes:
                    break
                digest.update(chunk)
                rest = memoryview(chunk)
                with disk_errors(destination):
                    while rest:
                        rest = rest[file.write(rest) :]
            if copied != size_bytes:
                raise ArtifactError(f"artifact {name}: changed its size while it was sealed")
            on_copied()
            with disk_errors(destination):
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
        with disk_errors(destination):
            Path(temporary).replace(destination)
            sync_directory(destination.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return ArtifactFacts(name=name, bytes=copied, sha256=digest.hexdigest())


def digest_of(chunks: Iterable[bytes]) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
