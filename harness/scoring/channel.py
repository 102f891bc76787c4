"""The channel to the workers: a Unix socket in a private directory, to which they connect."""

import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.inside import worker as wire
from harness.safeio import ownership
from harness.scoring.link import POLL_SECONDS, AnswerError, WorkerGone, receive_exactly

SOCKET_NAME = "socket"


# A Unix socket's path holds 107 bytes at most, so the directory must have a short one.
_DIRECTORIES = (Path("/dev/shm"), Path("/tmp"))  # noqa: S108 - private directory made there


class Channel:
    """A private directory with a listening socket; workers connect while the sandbox starts.

    ``directory`` is mounted into the sandbox; its parent is closed to everybody else.
    """

    def __init__(self) -> None:
        base = next((path for path in _DIRECTORIES if path.is_dir()), Path(tempfile.gettempdir()))
        ownership.reap_directories(base)
        self._private = ownership.make_directory(base)
        self.directory = self._private / "c"
        self.directory.mkdir()
        self.directory.chmod(0o755)  # whatever our umask is: the sandbox has another user
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = self.directory / SOCKET_NAME
        self._listener.bind(str(path))
        path.chmod(0o666)
        self._listener.listen(64)
        self._listener.settimeout(POLL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        ownership.remove_tree(self._private)

    def receive_text(self, alive: Callable[[], bool], *, limit_bytes: int) -> bytes:
        """The one length-prefixed text that the next worker sends; empty when it raised.

        Raises:
            AnswerError: it is longer than ``limit_bytes``.
            WorkerGone: the worker, or its sandbox, ended before the whole text had arrived.
        """
        with self.accept(alive) as connection:
            connection.settimeout(POLL_SECONDS)
            (length,) = wire.LENGTH.unpack(receive_exactly(connection, wire.LENGTH.size, alive))
            if length > limit_bytes:
                raise AnswerError(f"the worker wants to send {length:,} bytes of text")
            return receive_exactly(connection, length, alive)

    def accept(self, alive: Callable[[], bool]) -> socket.socket:
        """The next worker's connection.

        Raises:
            WorkerGone: the sandbox ended before a worker connected.
        """
        while True:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                if not alive():
                    raise WorkerGone from None
                continue
            return connection
