"""The channel to the workers: a Unix socket for control, shared memory for tokens and logits.

Everything that arrives is treated as hostile. Messages have a fixed size and are compared with the
request; the shared memory is sealed against resizing, so that no worker can take it away from us.
"""

import array
import fcntl
import math
import mmap
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from harness.errors import InfrastructureError, SubmissionError
from harness.inside import worker as wire
from harness.safeio import ownership

SLOTS = 2
POLL_SECONDS = 0.2
SOCKET_NAME = "socket"
# A Unix socket's path holds 107 bytes at most, so the directory must have a short one.
_DIRECTORIES = (Path("/dev/shm"), Path("/tmp"))  # noqa: S108 - private directory made there


class AnswerError(SubmissionError):
    """A worker's answer breaks the contract: wrong shape, NaN, inf, refusal."""


class WorkerGone(Exception):
    """A worker closed its end; the sandbox's facts say why."""


_COMPLAINTS = {
    wire.LOAD_FAILED: "load_model raised an exception; its traceback is in the log of this step",
    wire.MODEL_FAILED: "the model raised an exception; its traceback is in the log of this step",
    wire.WRONG_TYPE: "the model did not return a floating point tensor of logits",
    wire.WRONG_SHAPE: "the model returned logits of the wrong shape; this step's log names both",
    wire.NO_OBSERVE: "load_model returned a model without the method observe(tokens), which "
    "[score] adaptive = true asks for",
    wire.OBSERVE_FAILED: "the model's observe raised an exception; its traceback is in the score "
    "log",
}


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
            (length,) = wire.LENGTH.unpack(_receive(connection, wire.LENGTH.size, alive))
            if length > limit_bytes:
                raise AnswerError(f"the worker wants to send {length:,} bytes of text")
            return _receive(connection, length, alive)

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


class Link:
    """One connected worker and the two memories shared with it.

    Args:
        connection: from :meth:`Channel.accept`; owned and closed by the link.
        max_windows: most windows in a request.
        length: tokens in a window.
        logit_values: most float32 values in an answer.
        vocabulary_size: last dimension of the logits.
        segment: most tokens that are observed at once.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        max_windows: int,
        length: int,
        logit_values: int,
        vocabulary_size: int,
        segment: int = 0,
    ) -> None:
        self._socket = connection
        self._socket.settimeout(POLL_SECONDS)
        self._vocabulary_size = vocabulary_size
        self.logit_values = logit_values
        logit_bytes = _page_multiple(logit_values * 4)
        token_bytes = _page_multiple(max(max_windows * length, segment) * 8)
        token_file, logit_file = _memory(SLOTS * token_bytes), _memory(SLOTS * logit_bytes)
        try:
            self._tokens = np.frombuffer(
                mmap.mmap(token_file, SLOTS * token_bytes), dtype=np.int64
            ).reshape(SLOTS, -1)
            self._logits = np.frombuffer(
                mmap.mmap(logit_file, SLOTS * logit_bytes), dtype=np.float32
            ).reshape(SLOTS, -1)
            hello = wire.Message(
                wire.HELLO,
                vocabulary=vocabulary_size,
                slot=SLOTS,
                windows=max_windows,
                length=logit_bytes >> 32,
                first=logit_bytes & 0xFFFFFFFF,
            )
            descriptors = array.array("i", [token_file, logit_file])
            try:
                self._socket.sendmsg(
                    [hello.pack()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
                )
            except (BrokenPipeError, ConnectionResetError):
                raise WorkerGone from None
        finally:
            os.close(token_file)
            os.close(logit_file)

    def close(self) -> None:
        """Drop the connection; the worker, if it still listens, ends by itself."""
        self._socket.close()

    def wait_ready(self, alive: Callable[[], bool]) -> None:
        """Wait until the model is loaded.

        Raises:
            AnswerError: the loader raised, the model lacks the observe that it needs, or the
                message is not the expected one.
            WorkerGone: the worker closed its end.
        """
        message = self._receive(alive)
        self._expect(message, wire.Message(wire.READY), "while the model was loaded")

    def send(
        self, *, serial: int, slot: int, tokens: npt.NDArray[np.int64], first: int
    ) -> wire.Message:
        """Send windows ``tokens`` int64[B, L]; returns the request, to be passed to receive."""
        windows, length = tokens.shape
        np.copyto(self._tokens[slot, : tokens.size].reshape(tokens.shape), tokens)
        request = wire.Message(
            wire.REQUEST,
            vocabulary=self._vocabulary_size,
            serial=serial,
            slot=slot,
            windows=windows,
            length=length,
            first=first,
        )
        self._send(request)
        return request

    def receive(
        self, request: wire.Message, into: npt.NDArray[np.float32], alive: Callable[[], bool]
    ) -> npt.NDArray[np.float32]:
        """The answer to ``request``, copied once into our own memory ``into`` (flat float32).

        Returns:
            float32[B, L - first, V], a view of ``into``: the worker cannot touch it any more.

        Raises:
            AnswerError: the worker refused, or its answer does not match the request.
            WorkerGone: the worker closed its end.
        """
        message = self._receive(alive)
        self._expect(message, request._replace(kind=wire.REPLY), "while the model was scored")
        shape = (request.windows, request.length - request.first, self._vocabulary_size)
        size = math.prod(shape)
        np.copyto(into[:size], self._logits[request.slot, :size])
        return into[:size].reshape(shape)

    def observe(
        self, tokens: npt.NDArray[np.uint16], alive: Callable[[], bool], *, serial: int
    ) -> None:
        """Have the model observe ``tokens`` uint16[M]; no request may be unanswered meanwhile.

        Raises:
            AnswerError: the model raised, or the worker answered something else.
            WorkerGone: the worker closed its end.
        """
        self._tokens[0, : len(tokens)] = tokens
        message = wire.Message(wire.OBSERVE, serial=serial, windows=1, length=len(tokens))
        self._send(message)
        answer = self._receive(alive)
        self._expect(answer, message._replace(kind=wire.REPLY), "while the model observed")

    def say_goodbye(self) -> None:
        """Tell the worker that the work is done; it may have ended already."""
        try:
            self._send(wire.Message(wire.CLOSE))
        except WorkerGone:
            return

    def _send(self, message: wire.Message) -> None:
        try:
            self._socket.sendall(message.pack())
        except (BrokenPipeError, ConnectionResetError):
            raise WorkerGone from None
        except TimeoutError:
            raise AnswerError("the worker stopped reading its requests") from None
        except OSError as error:
            raise _broken(error) from error

    def _receive(self, alive: Callable[[], bool]) -> wire.Message:
        try:
            return wire.Message.unpack(_receive(self._socket, wire.MESSAGE_BYTES, alive))
        except ValueError:
            raise AnswerError("the worker sent bytes that are not a message") from None

    @staticmethod
    def _expect(message: wire.Message, expected: wire.Message, when: str) -> None:
        if message == expected:
            return
        if message._replace(status=wire.OK) == expected and message.status in _COMPLAINTS:
            raise AnswerError(_COMPLAINTS[message.status])
        raise AnswerError(f"the worker sent a message that was not asked for {when}")


def _receive(connection: socket.socket, size: int, alive: Callable[[], bool]) -> bytes:
    """Exactly ``size`` bytes from a socket with a timeout; WorkerGone when they can't come."""
    content = bytearray()
    while len(content) < size:
        try:
            chunk = connection.recv(min(size - len(content), 1 << 20))
        except TimeoutError:
            if not alive():
                raise WorkerGone from None
            continue
        except ConnectionResetError:
            raise WorkerGone from None
        except OSError as error:
            raise _broken(error) from error
        if not chunk:
            raise WorkerGone
        content += chunk
    return bytes(content)


def _broken(error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"the scoring channel broke on our side: {error.strerror or error}",
        remedy="run again with --resume",
    )


def _page_multiple(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _memory(size: int) -> int:
    """A descriptor of ``size`` bytes of shared memory that nobody can resize.

    Without the seals a worker could truncate it and our next access would be a SIGBUS. Where
    the system has no such memory (macOS, rehearsal only) an unlinked file takes its place.
    """
    try:
        if sys.platform == "linux":
            descriptor = os.memfd_create("channel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(descriptor, size)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
            return descriptor
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
            os.ftruncate(descriptor, size)
            return descriptor
    except OSError as error:
        raise InfrastructureError(
            f"cannot get {size:,} bytes of shared memory: {error.strerror}",
            remedy="free memory on this machine",
        ) from error
