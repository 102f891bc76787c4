"""A file in the output directory, taken from the keeper by the engine's archive API."""

import contextlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from harness.errors import InfrastructureError
from harness.safeio.files import CHUNK_BYTES
from harness.sandbox.docker.engine import Engine, engine_errors
from harness.sandbox.limits import OUTPUT
from harness.sandbox.protocol import ArtifactError
from harness.sandbox.sealing import absent, not_regular, require_size

_ENGINES_OWN_FILE = "/etc/hostname"
_GO_DIRECTORY = 1 << 31


class Archive:
    """One path below the output directory, while nothing of the phase runs.

    Args:
        engine: makes the connections.
        keeper: the container that has the directory mounted.
        name: the path.
    """

    def __init__(self, engine: Engine, keeper: str, name: str) -> None:
        self._engine = engine
        self._keeper = keeper
        self._name = name

    @contextlib.contextmanager
    def opened(self, *, limit_bytes: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Size and content of a regular file; see :meth:`harness.sandbox.taking.Taking.opened`."""
        path = PurePosixPath(self._name)
        with self._engine.connection() as client:
            self._require_keeper(client)
            for folder in reversed(path.parents[:-1]):
                self._require_folder(client, folder)
            with self._member(client, path) as (archive, member):
                if not member.isreg():
                    raise not_regular(self._name, _kind(member))
                if member.name != path.name:
                    raise InfrastructureError(
                        f"the engine sent {member.name!r} instead of {self._name!r}"
                    )
                require_size(self._name, member.size, limit_bytes=limit_bytes)
                content = archive.extractfile(member)
                if content is None:
                    raise not_regular(self._name, _kind(member))
                try:
                    yield member.size, iter(lambda: content.read(CHUNK_BYTES), b"")
                except ArtifactError as error:
                    # Nothing can write there: a short read is the engine's.
                    raise self._broken_off("") from error

    def _require_folder(self, client: Any, folder: PurePosixPath) -> None:
        """Refuse a link on the way: the engine would follow it, within the keeper."""
        with self._sent(client, folder) as (_, found):
            if not int(found.get("mode") or 0) & _GO_DIRECTORY:
                linked = "symbolic link" if found.get("linkTarget") else "thing of another kind"
                raise not_regular(self._name, f"{linked} in place of its directory {folder}")

    @contextlib.contextmanager
    def _member(
        self, client: Any, path: PurePosixPath
    ) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        """The tar stream of one path, at its first member."""
        with self._sent(client, path) as (stream, _):
            try:
                reader = io.BufferedReader(_Chunks(stream), CHUNK_BYTES)
                with tarfile.open(fileobj=reader, mode="r|", bufsize=CHUNK_BYTES) as archive:
                    member = archive.next()
                    if member is None:  # the engine leaves sockets out
                        raise not_regular(self._name, "socket or another thing that is not a file")
                    yield archive, member
            except tarfile.TarError as error:
                raise self._broken_off(f": {error}") from error

    @contextlib.contextmanager
    def _sent(self, client: Any, path: PurePosixPath) -> Iterator[tuple[Any, dict[str, Any]]]:
        """What the engine sends of a path, and what it says of it."""
        import docker.errors

        try:
            stream, found = client.get_archive(
                self._keeper, str(OUTPUT / path), chunk_size=CHUNK_BYTES
            )
        except docker.errors.NotFound as error:
            self._require_keeper(client)
            raise absent(self._name) from error
        except docker.errors.APIError as error:
            # A date beyond the engine's calendar or a link without end is theirs; what ails
            # the engine itself also ails the copy of a file that it made.
            self._require_keeper(client)
            client.get_archive(self._keeper, _ENGINES_OWN_FILE)[0].close()
            raise ArtifactError(
                f"artifact {self._name}: the engine cannot hand it over as a regular file"
            ) from error
        try:
            yield stream, found
        finally:
            stream.close()

    def _require_keeper(self, client: Any) -> None:
        # Without its keeper the tmpfs is empty, and "absent" would blame the submission.
        state = client.inspect_container(self._keeper)["State"]
        if not state.get("Running"):
            raise InfrastructureError(
                "the container that keeps the output directory has ended",
                remedy="leave the engine and its containers alone meanwhile; then --resume",
            )

    def _broken_off(self, why: str) -> InfrastructureError:
        return InfrastructureError(
            f"the engine broke off while it sent the artifact {self._name}{why}",
            remedy="see the engine's own log, then --resume",
        )


def _kind(member: tarfile.TarInfo) -> str:
    kinds = {
        tarfile.SYMTYPE: "symbolic link",
        tarfile.LNKTYPE: "hard link",
        tarfile.DIRTYPE: "directory",
        tarfile.FIFOTYPE: "FIFO",
        tarfile.CHRTYPE: "device",
        tarfile.BLKTYPE: "device",
    }
    return kinds.get(member.type, "thing of unknown kind")


class _Chunks(io.RawIOBase):
    """An iterator of bytes as a readable file; engine errors inside become ours."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            with engine_errors("copy the artifact out of the sandbox"):
                try:
                    self._rest = memoryview(next(self._chunks))
                except StopIteration:
                    return 0
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
