"""Asking the servers of one codec: lots of documents out, answers in, everything bounded.

Everything that arrives is treated as hostile. An answer is the answer to the oldest document that
its server was sent; it has the size that such an answer may have, or it is refused unread.
"""

import array
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from harness.inside import codec as wire
from harness.run.codec.documents import CodecError, Document, Stated
from harness.scoring.channel import Channel
from harness.scoring.link import WorkerGone, broken_channel, receive_exactly

POLL_SECONDS = 0.2
_READ_BYTES = 1 << 20
_LONGEST_ENDING = 40
_MORE_TEXT_BYTES = 1024  # so much too long is read all the same, to say where it differs
IN_THE_LOG = "its traceback is in the log of this step"
_CANNOT_START = {
    wire.LOAD_FAILED: f"cannot be made: the function raises an exception; {IN_THE_LOG}",
    wire.NO_METHODS: "has no methods encode(text) and decode(ids)",
    wire.NO_VOCABULARY: "has no vocabulary_size from 2 to 65,536",
    wire.NO_BOS: "has no bos_id, an id below vocabulary_size that encode never produces",
    wire.MEMORY: "needs more memory to be made than it may have",
}
_COMPLAINTS = {
    wire.RAISED: f"raises an exception; {IN_THE_LOG}",
    wire.BEYOND: "returns an id below 0 or beyond 65,535",
    wire.SURROGATE: "returns text with half of a surrogate pair",
    wire.MEMORY: "needs more memory than it may have",
}
_NO_IDS = "returns something that is no sequence of integers"
_WRONG_TYPE = {
    wire.ENCODE: _NO_IDS,
    wire.ENCODE_EITHER: _NO_IDS,
    wire.DECODE: "returns something that is no str",
}


class _Server:
    """One connection: what is still to be sent, and the documents whose answers are due."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.due: deque[tuple[int, Document]] = deque()
        self.lots = 0
        self.since = time.monotonic()
        self._out = bytearray()
        self._in = bytearray()

    @property
    def sending(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._out)

    def give(self, what: int, lot: Sequence[Document]) -> None:
        """Queue a lot."""
        if not self.due:
            self.since = time.monotonic()
        contents = [document.asked(what) for document in lot]
        sizes = array.array("I", map(len, contents))
        self._out += wire.LOT.pack(wire.MAGIC, what, len(lot)) + sizes.tobytes()
        for content in contents:
            self._out += content
        self.due.extend(enumerate(lot))
        self.lots += 1

    def send(self) -> None:
        """Send as much as is taken."""
        try:
            sent = self.socket.send(memoryview(self._out)[: 1 << 20])
        except (BlockingIOError, InterruptedError):
            return
        except (BrokenPipeError, ConnectionResetError):
            raise WorkerGone from None
        except OSError as error:
            raise broken_channel(error) from error
        del self._out[:sent]

    def receive(
        self, what: int, most_ids: Callable[[Document], int]
    ) -> Iterator[tuple[Document, bytes]]:
        """Read once, and yield the answers that are whole.

        Raises:
            CodecError: a complaint, or something that is no answer to what was asked.
            WorkerGone: the server closed its end.
        """
        try:
            chunk = self.socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            raise WorkerGone from None
        except OSError as error:
            raise broken_channel(error) from error
        if not chunk:
            raise WorkerGone
        self._in += chunk
        while len(self._in) >= wire.ANSWER.size:
            magic, place, status, size = wire.ANSWER.unpack_from(self._in)
            if magic != wire.MAGIC or not self.due or place != self.due[0][0]:
                raise CodecError("sends what is no answer", self.due[0][1] if self.due else None)
            document = self.due[0][1]
            _check_size(what, document, status, size, most_ids)
            end = wire.ANSWER.size + size
            if len(self._in) < end:
                return
            content = bytes(memoryview(self._in)[wire.ANSWER.size : end])
            del self._in[:end]
            if status != wire.OK:
                raise CodecError(_complaint(what, status, content), document)
            self.due.popleft()
            self.since = time.monotonic()
            if not self.due or self.due[0][0] == 0:
                self.lots -= 1
            yield document, content


class Conversation:
    """All servers of one codec; use it as a context, which closes the connections."""

    def __init__(self, channel: Channel, *, servers: int, alive: Callable[[], bool]) -> None:
        """Wait until the tokenizer is loaded and all servers are connected.

        Raises:
            CodecError: the tokenizer cannot be loaded, or does not say what it must.
            WorkerGone: the sandbox ended before.
        """
        self._alive = alive
        self._servers: list[_Server] = []
        self._at_fault: _Server | None = None
        self._selector = selectors.DefaultSelector()
        try:
            stated = {self._connect(channel) for _ in range(servers)}
        except BaseException:
            self.close()
            raise
        if len(stated) > 1:
            self.close()
            raise CodecError("says other things of itself in each process")
        self.stated = stated.pop()

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop all connections; servers that still listen end by themselves."""
        self._selector.close()
        for server in self._servers:
            server.socket.close()

    def _connect(self, channel: Channel) -> Stated:
        connection = channel.accept(self._alive)
        connection.settimeout(POLL_SECONDS)
        try:
            said = receive_exactly(connection, wire.READY.size, self._alive)
        except BaseException:
            connection.close()
            raise
        magic, status, size, bos_id = wire.READY.unpack(said)
        server = _Server(connection)
        self._servers.append(server)
        self._selector.register(connection, selectors.EVENT_READ, server)
        if magic == wire.MAGIC and status in _CANNOT_START:
            raise CodecError(_CANNOT_START[status])
        whole = magic == wire.MAGIC and status == wire.OK
        if not whole or not (2 <= size <= wire.LARGEST_VOCABULARY and 0 <= bos_id < size):
            raise CodecError("sends what is no answer")
        return Stated(size, bos_id)

    def ask(
        self,
        what: int,
        lots: Iterator[Sequence[Document]],
        *,
        ahead: int,
        patience_seconds: Callable[[Document], float],
        answered: Callable[[Document, bytes], None],
        most_ids: Callable[[Document], int] = lambda document: document.most_ids,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask about all documents of ``lots``, which are handed out as servers become free.

        Args:
            what: what is to be done with them.
            lots: none is empty.
            ahead: the most lots that a server is given before it has answered.
            patience_seconds: how long the answer about one document may take.
            answered: called with each answer, in any order of documents.
            most_ids: how many ids are taken of one document.
            tick: called now and then.

        Raises:
            CodecError: an answer breaks the contract; also what ``answered`` raises.
            WorkerGone: a server closed its end.
        """
        server: _Server
        for server in self._servers:
            self._fill(server, what, lots, ahead)
        ticked = time.monotonic()
        while any(server.due for server in self._servers):
            for key, ready in self._selector.select(POLL_SECONDS):
                server = key.data
                self._at_fault = server
                if ready & selectors.EVENT_WRITE:
                    server.send()
                if ready & selectors.EVENT_READ:
                    for document, content in server.receive(what, most_ids):
                        answered(document, content)
                    self._fill(server, what, lots, ahead)
                self._watch(server)
                self._at_fault = None
            if time.monotonic() - ticked > POLL_SECONDS:
                ticked = time.monotonic()
                tick()
                self._check_patience(patience_seconds)

    def at_work(self) -> Document | None:
        """The document whose server closed its end, or that one has worked on longest."""
        waiting = [server for server in self._servers if server.due]
        if self._at_fault in waiting:
            waiting = [self._at_fault]
        return min(waiting, key=lambda server: server.since).due[0][1] if waiting else None

    def say_goodbye(self) -> None:
        """Tell all servers that the work is done."""
        for server in self._servers:
            server.give(0, ())
            try:
                server.send()
            except WorkerGone:
                continue

    def _fill(
        self, server: _Server, what: int, lots: Iterator[Sequence[Document]], ahead: int
    ) -> None:
        while server.lots < ahead:
            lot = next(lots, None)
            if lot is None:
                break
            server.give(what, lot)
        self._watch(server)

    def _watch(self, server: _Server) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if server.sending else 0)
        if self._selector.get_key(server.socket).events != events:
            self._selector.modify(server.socket, events, server)

    def _check_patience(self, patience_seconds: Callable[[Document], float]) -> None:
        if not self._alive():
            raise WorkerGone
        for server in self._servers:
            if server.due:
                document = server.due[0][1]
                most = patience_seconds(document)
                if time.monotonic() - server.since > most:
                    raise CodecError(f"gives no answer within {most:.0f} s", document)


def _check_size(
    what: int,
    document: Document,
    status: int,
    size: int,
    most_ids: Callable[[Document], int],
) -> None:
    if status != wire.OK:
        if size > _LONGEST_ENDING:
            raise CodecError("sends what is no answer", document)
        return
    if what != wire.DECODE and size > 2 * most_ids(document):
        raise CodecError(
            f"returns {size // 2:,} ids for {document.text_bytes:,} bytes; at most "
            f"{most_ids(document):,} are taken",
            document,
        )
    if what == wire.DECODE and size > 2 * document.text_bytes + _MORE_TEXT_BYTES:
        raise CodecError(
            f"returns {size:,} bytes of text, and the document has {document.text_bytes:,}",
            document,
        )


def _complaint(what: int, status: int, content: bytes) -> str:
    if status == wire.WRONG_TYPE:
        return _WRONG_TYPE[what]
    if status == wire.DIED:
        return f"ends the process that does it ({_ending(content)})"
    return _COMPLAINTS.get(status, "sends what is no answer")


def _ending(content: bytes) -> str:
    """How a process ended, from words that a stranger may have written."""
    kind, _, number = content.decode("ascii", "replace").rpartition(" ")
    if kind not in ("signal", "exit code") or not number.isdecimal() or len(number) > 5:
        return "it does not say how"
    if kind == "signal":
        try:
            return signal.Signals(int(number)).name
        except ValueError:
            return f"signal {int(number)}"
    return f"exit code {int(number)}"
