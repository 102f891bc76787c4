"""The channel to a codec, with peers that lie."""

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.inside import codec as wire
from harness.run.codec.documents import CodecError, Document
from harness.run.codec.talk import Conversation
from harness.scoring.channel import SOCKET_NAME, Channel
from harness.scoring.link import WorkerGone

READY = wire.READY.pack(wire.MAGIC, wire.OK, 300, 256)
DOCUMENTS = [Document("validation", number, b"abc", 3) for number in (1, 2)]


def answer(content: bytes, *, place: int = 0, status: int = wire.OK, size: int = -1) -> bytes:
    return wire.ANSWER.pack(wire.MAGIC, place, status, len(content) if size < 0 else size) + content


def talk(said: bytes, *, what: int = wire.ENCODE, patience: float = 60) -> list[bytes]:
    """Ask a peer that says this, whatever it is asked, and then closes its end."""
    answers: list[bytes] = []
    with Channel() as channel:

        def peer() -> None:
            place = str(channel.directory / SOCKET_NAME)
            with (
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
                contextlib.suppress(OSError),  # we may have closed our end already
            ):
                connection.connect(place)
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    continue

        thread = threading.Thread(target=peer, daemon=True)
        thread.start()
        try:
            with Conversation(channel, servers=1, alive=lambda: True) as conversation:
                conversation.ask(
                    what,
                    iter([DOCUMENTS]),
                    ahead=2,
                    patience_seconds=lambda document: patience,
                    answered=lambda document, content: answers.append(content),
                )
        finally:
            thread.join(10)
    return answers


def test_what_is_said_in_order_is_taken() -> None:
    said = READY + answer(b"\1\0") + answer(b"", place=1)
    assert talk(said) == [b"\1\0", b""]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"\0" * wire.READY.size, "sends what is no answer"),
        (wire.READY.pack(wire.MAGIC, wire.LOAD_FAILED, 0, 0), "cannot be made"),
        (wire.READY.pack(wire.MAGIC, 99, 300, 256), "sends what is no answer"),
        (wire.READY.pack(wire.MAGIC, wire.OK, 1, 0), "sends what is no answer"),
        (wire.READY.pack(wire.MAGIC, wire.OK, 1 << 31, 0), "sends what is no answer"),
        (wire.READY.pack(wire.MAGIC, wire.OK, 300, 300), "sends what is no answer"),
        (READY + answer(b"", place=1), "sends what is no answer"),
        (READY + answer(b"") + answer(b""), "sends what is no answer"),
        (READY + b"rubbish that is long enough to be a message", "sends what is no answer"),
        (READY + answer(b"", size=1 << 60), "ids for 3 bytes"),
        (READY + answer(b"", size=(1 << 64) - 1), "ids for 3 bytes"),
        (READY + answer(b"", status=wire.RAISED, size=1 << 40), "sends what is no answer"),
        (READY + answer(b"", status=1234), "sends what is no answer"),
        (READY + answer(b"signal 11", status=wire.DIED), "(SIGSEGV)"),
        (READY + answer(b"signal 999", status=wire.DIED), "(signal 999)"),
        (READY + answer(b"signal \x1b[31m", status=wire.DIED), "(it does not say how)"),
        (READY + answer(b"exit code 4", status=wire.DIED), "(exit code 4)"),
    ],
)
def test_what_is_no_answer_is_refused_unread(said: bytes, problem: str) -> None:
    with pytest.raises(CodecError) as found:
        talk(said)
    assert problem in found.value.problem


@pytest.mark.parametrize("said", [b"", READY[:5], READY, READY + answer(b"\1\0")[:-1]])
def test_who_ends_too_early_is_gone(said: bytes) -> None:
    with pytest.raises(WorkerGone):
        talk(said)


def test_a_text_that_is_far_too_long_is_refused_unread() -> None:
    with pytest.raises(CodecError, match="bytes of text, and the document has 3"):
        talk(READY + answer(b"", size=1 << 50), what=wire.DECODE)


@given(st.binary(max_size=200), st.booleans())
def test_whatever_is_said_ends_in_one_of_two_ways(said: bytes, ready: bool) -> None:
    with pytest.raises((CodecError, WorkerGone)):
        talk((READY if ready else b"") + said)


def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Channel() as channel, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(channel.directory / SOCKET_NAME))
        connection.sendall(READY)
        with Conversation(channel, servers=1, alive=lambda: True) as conversation:
            ask: Callable[..., None] = conversation.ask
            with pytest.raises(CodecError, match="gives no answer within 1 s") as found:
                ask(
                    wire.ENCODE,
                    iter([DOCUMENTS]),
                    ahead=1,
                    patience_seconds=lambda document: 0.6,
                    answered=lambda document, content: None,
                )
            assert found.value.document == DOCUMENTS[0]
            assert conversation.at_work() == DOCUMENTS[0]


def test_a_sandbox_that_has_ended_is_seen() -> None:
    with Channel() as channel, pytest.raises(WorkerGone):
        Conversation(channel, servers=1, alive=lambda: False)
