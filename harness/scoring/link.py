"""The link to one worker: fixed-size messages, and shared memory for tokens and logits.

Everything that arrives is treated as hostile. Messages are compared with the request; the shared
memory is sealed against resizing, so that no worker can take it away from us.
"""

import array
import contextlib
import fcntl
import math
import mmap
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.errors import InfrastructureError, SubmissionError
from harness.inside import worker as wire
from harness.scoring.inbox import Inbox, Waiting

SLOTS = 2
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


POLL_SECONDS = 0.2


class AnswerError(SubmissionError):
    """A worker's answer breaks the contract: wrong shape, NaN, inf, refusal."""


class WorkerGone(Exception):
    """A worker closed its end; the sandbox's facts say why."""


class Answer(NamedTuple):
    """Logits [B, P, V] as they lie in ``memory``, to which the worker can write at any time.

    ``memory`` holds exactly so many values of ``dtype``, one of those in ``ITEM_BYTES``. It is
    theirs again with the next request for its slot.
    """

    memory: npt.NDArray[np.uint8]
    shape: tuple[int, int, int]
    dtype: str


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


class Link:
    """One connected worker and the two memories shared with it.

    Args:
        connection: from :meth:`Channel.accept`; owned and closed by the link.
        max_windows: most windows in a request.
        length: tokens in a window.
        logit_values: most float32 values in an answer.
        vocabulary_size: last dimension of the logits.
        segment: most tokens that are observed at once.

    ``waiting`` says how long the worker has had nothing of ours to do.
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
        logit_bytes = _page_multiple(logit_values * 4)
        token_bytes = _page_multiple(max(max_windows * length, segment) * 8)
        token_file, logit_file = _memory(SLOTS * token_bytes), _memory(SLOTS * logit_bytes)
        try:
            self._tokens = np.frombuffer(
                mmap.mmap(token_file, SLOTS * token_bytes), dtype=np.int64
            ).reshape(SLOTS, -1)
            self._logits = np.frombuffer(
                mmap.mmap(logit_file, SLOTS * logit_bytes), dtype=np.uint8
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
        self.waiting = Waiting()
        self._inbox = Inbox(
            lambda is_open: receive_exactly(connection, wire.MESSAGE_BYTES, is_open), self.waiting
        )

    def close(self) -> None:
        """Drop the connection; the worker, if it still listens, ends by itself."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._inbox.close()
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

    def receive(self, request: wire.Message, alive: Callable[[], bool]) -> Answer:
        """The answer to ``request``, where the worker left it: to be copied before it is used.

        Raises:
            AnswerError: the worker refused, or its answer does not match the request.
            WorkerGone: the worker closed its end.
        """
        message = self._receive(alive)
        dtype = wire.DTYPES.get(message.dtype) if message.status == wire.OK else None
        expected = request._replace(kind=wire.REPLY, dtype=message.dtype if dtype else 0)
        self._expect(message, expected, "while the model was scored")
        if dtype is None:
            raise AnswerError("the worker did not say what its logits are in")
        shape = (request.windows, request.length - request.first, self._vocabulary_size)
        size = math.prod(shape) * ITEM_BYTES[dtype]
        return Answer(self._logits[request.slot, :size], shape, dtype)

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
            self.waiting.ask(lambda: self._socket.sendall(message.pack()))
        except (BrokenPipeError, ConnectionResetError):
            raise WorkerGone from None
        except TimeoutError:
            raise AnswerError("the worker stopped reading its requests") from None
        except OSError as error:
            raise broken_channel(error) from error

    def _receive(self, alive: Callable[[], bool]) -> wire.Message:
        while (content := self._inbox.get()) is None:
            if not alive():
                raise WorkerGone
        try:
            return wire.Message.unpack(content)
        except ValueError:
            raise AnswerError("the worker sent bytes that are not a message") from None

    @staticmethod
    def _expect(message: wire.Message, expected: wire.Message, when: str) -> None:
        if message == expected:
            return
        if message._replace(status=wire.OK) == expected and message.status in _COMPLAINTS:
            raise AnswerError(_COMPLAINTS[message.status])
        raise AnswerError(f"the worker sent a message that was not asked for {when}")


def receive_exactly(connection: socket.socket, size: int, alive: Callable[[], bool]) -> bytes:
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
            raise broken_channel(error) from error
        if not chunk:
            raise WorkerGone
        content += chunk
    return bytes(content)


def broken_channel(error: OSError) -> InfrastructureError:
    """The error for a channel that failed on our side."""
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
