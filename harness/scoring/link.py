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
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.errors import InfrastructureError, SubmissionError
from harness.inside import worker as wire
from harness.scoring.inbox import Inbox, Waiting
from harness.scoring.schedules.asking import Ask, Indices, ObserveRows, Tokens
from harness.scoring.schedules.plan import Slot

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
    wire.NO_OBSERVE: "load_model returned a model without the method observe(tokens), or "
    'observe(rows, tokens, counts) with streams = "documents", which [score] adaptive = true asks '
    "for",
    wire.NO_RESET: "load_model returned a model without the method reset(rows), which [score] "
    'adaptive = true with streams = "documents" asks for',
    wire.NO_STUDY: "load_model returned a model without the method study(documents), which "
    "[score] study_after asks for",
    wire.SCRIPT_FAILED: "the script raised an exception before its model could be asked",
    wire.NEVER_READ: "the script ended without reading the artifact that its bridge names",
    wire.NEVER_CALLED: "the script read its artifact and ended without the evaluation that its "
    "bridge names",
    wire.NO_MODEL: "the evaluation that the bridge names was called without the argument that it "
    "names as the model",
    wire.NOT_DRIVEN: "the loop that the bridge names cannot be driven",
    **{
        status: f"the model's {name} raised an exception; its traceback is in the score log"
        for name, status in (
            ("observe", wire.OBSERVE_FAILED),
            ("reset", wire.RESET_FAILED),
            ("study", wire.STUDY_FAILED),
        )
    },
}


class Link:
    """One connected worker and the two memories shared with it.

    Args:
        connection: from :meth:`Channel.accept`; owned and closed by the link.
        slot: the most that a request, or one thing told, holds.
        vocabulary_size: last dimension of the logits.

    ``waiting`` says how long the worker has had nothing of ours to do, and ``took`` for how many
    seconds it had the last answer that was received in work.
    """

    def __init__(self, connection: socket.socket, *, slot: Slot, vocabulary_size: int) -> None:
        self._socket = connection
        self._socket.settimeout(POLL_SECONDS)
        self._vocabulary_size = vocabulary_size
        self._told = 0
        logit_bytes = _page_multiple(slot.positions * vocabulary_size * 4)
        token_bytes = _page_multiple(slot.tokens * 8)
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
        self.waiting, self.took = Waiting(), 0.0
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

    def wait_demand(self, alive: Callable[[], bool]) -> None:
        """Wait until a script that is taken over opens its artifact.

        Raises:
            AnswerError: it ended before that.
            WorkerGone: the worker closed its end.
        """
        message = self._receive(alive)
        if message._replace(status=wire.OK) == wire.Message(wire.READY):
            self._expect(message, wire.Message(wire.READY), "before the artifact was read")
        self._expect(message, wire.Message(wire.DEMAND), "before the artifact was read")

    def hand_over(self, memory: int) -> None:
        """Send the sealed artifact, as the descriptor of a memory that nobody can write."""
        message = wire.Message(wire.SEALED).pack()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]))]
        with _sending():
            self._socket.sendmsg([message], rights)

    def send(self, ask: Ask, shown: Indices, *, serial: int, slot: int) -> wire.Message:
        """Ask for the logits of windows ``shown`` int64[B, L].

        Returns:
            The request, to be passed to :meth:`receive`.
        """
        by_row = ask.rows is not None
        self._put(slot, shown, *((ask.firsts, ask.rows) if ask.rows is not None else ()))
        request = wire.Message(
            wire.ASK_ROWS if by_row else wire.REQUEST,
            vocabulary=self._vocabulary_size,
            serial=serial,
            slot=slot,
            windows=len(shown),
            length=ask.length,
            first=ask.positions if by_row else ask.first,
        )
        self._send(request)
        return request

    def _put(self, slot: int, *parts: Indices) -> None:
        """Write arrays of a request one after the other into the memory that the worker reads."""
        begin = 0
        for part in parts:
            end = begin + part.size
            np.copyto(self._tokens[slot, begin:end].reshape(part.shape), part)
            begin = end

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
        shape = (request.windows, request.positions, self._vocabulary_size)
        size = math.prod(shape) * ITEM_BYTES[dtype]
        return Answer(self._logits[request.slot, :size], shape, dtype)

    def observe(self, tokens: Tokens, alive: Callable[[], bool]) -> None:
        """Have the model observe ``tokens`` uint16[M]; no request may be unanswered meanwhile.

        Raises, as every telling does:
            AnswerError: the model raised, or the worker answered something else.
            WorkerGone: the worker closed its end.
        """
        self._put(0, tokens.astype(np.int64))
        self._tell(wire.Message(wire.OBSERVE, windows=1, length=len(tokens)), alive)

    def observe_rows(self, told: ObserveRows, stream: Tokens, alive: Callable[[], bool]) -> None:
        """Have the model observe, of each row, targets that were scored."""
        most = int(told.counts.max())
        index = told.begins[:, None] + np.arange(most)[None, :]
        inside = np.arange(most)[None, :] < told.counts[:, None]
        tokens = np.where(inside, stream[np.where(inside, index, 0)], 0).astype(np.int64)
        self._put(0, tokens, told.rows, told.counts)
        self._tell(wire.Message(wire.OBSERVE_ROWS, windows=len(tokens), length=most), alive)

    def reset(self, rows: Indices, alive: Callable[[], bool]) -> None:
        """Tell in which rows int64[R] a document begins."""
        self._put(0, rows)
        self._tell(wire.Message(wire.RESET, windows=len(rows)), alive)

    def study(self, documents: Sequence[Tokens], alive: Callable[[], bool]) -> None:
        """Have the model study finished documents, each uint16[M]."""
        lengths = np.array([len(document) for document in documents], "<u4")
        content = b"".join([lengths.tobytes(), *(d.astype("<u2").tobytes() for d in documents)])
        message = wire.Message(wire.STUDY, windows=len(documents), length=int(lengths.sum()))
        self._tell(message, alive, content=content)

    def _tell(
        self, message: wire.Message, alive: Callable[[], bool], *, content: bytes = b""
    ) -> None:
        message = message._replace(serial=self._told)
        self._told += 1
        self._send(message, content, alive)
        answer = self._receive(alive)
        self._expect(answer, message._replace(kind=wire.REPLY), "while the model was told")

    def say_goodbye(self) -> None:
        """Tell the worker that the work is done; it may have ended already."""
        try:
            self._send(wire.Message(wire.CLOSE))
        except WorkerGone:
            return

    def _send(
        self, message: wire.Message, content: bytes = b"", alive: Callable[[], bool] = lambda: True
    ) -> None:
        def send() -> None:
            self._socket.sendall(message.pack())
            send_patiently(self._socket, content, alive)

        with _sending():
            self.waiting.ask(send)

    def _receive(self, alive: Callable[[], bool]) -> wire.Message:
        while (content := self._inbox.get()) is None:
            if not alive():
                raise WorkerGone
        self.took = self.waiting.took()
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


def send_patiently(connection: socket.socket, content: bytes, alive: Callable[[], bool]) -> None:
    """Send to somebody who may be slow to read; WorkerGone when nobody is left."""
    left = memoryview(content)
    while left:
        try:
            left = left[connection.send(left) :]
        except TimeoutError:
            if not alive():
                raise WorkerGone from None


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


@contextlib.contextmanager
def _sending() -> Iterator[None]:
    """What goes wrong while something is sent, in our own words."""
    try:
        yield
    except (BrokenPipeError, ConnectionResetError):
        raise WorkerGone from None
    except TimeoutError:
        raise AnswerError("the worker stopped reading its requests") from None
    except OSError as error:
        raise broken_channel(error) from error
