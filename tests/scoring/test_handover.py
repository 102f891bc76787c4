"""The sealed artifact on demand: a memory that nobody can write, of no other file."""

import mmap
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import InfrastructureError
from harness.inside import worker as wire
from harness.safeio.files import sha256_of_bytes
from harness.scoring.handover import sealed_memory
from harness.scoring.link import AnswerError, Link, WorkerGone
from harness.scoring.schedules.plan import Slot

CONTENT = b"weights" * 1000
Ends = tuple[Link, socket.socket]


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "artifact"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A link, and the worker's end of it."""
    ours, theirs = socket.socketpair()
    link = Link(ours, slot=Slot(tokens=8, positions=8), vocabulary_size=5)
    wire.receive_descriptors(theirs)
    try:
        yield link, theirs
    finally:
        link.close()
        theirs.close()


@given(content=st.binary(max_size=100))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_memory_holds_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(content)
    with sealed_memory(path, sha256=sha256_of_bytes(content)) as memory:
        assert os.pread(memory, 1000, 0) == content
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(memory)


@pytest.mark.skipif(sys.platform != "linux", reason="no memory can be sealed here")
def test_nobody_can_write_it_or_tell_whose_it_is(sealed: Path) -> None:
    with sealed_memory(sealed, sha256=sha256_of_bytes(CONTENT)) as memory:
        with pytest.raises(PermissionError):
            os.pwrite(memory, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(memory, 0)
        with pytest.raises(PermissionError):
            mmap.mmap(memory, 10)
        assert str(sealed.parent) not in os.readlink(f"/proc/self/fd/{memory}")


def test_another_file_is_refused(sealed: Path) -> None:
    with (
        pytest.raises(InfrastructureError, match="not the file that was sealed"),
        sealed_memory(sealed, sha256="0" * 64),
    ):
        pytest.fail("handed over")
    with (
        pytest.raises(InfrastructureError, match="cannot be read"),
        sealed_memory(sealed.with_name("gone"), sha256="0" * 64),
    ):
        pytest.fail("handed over")


def test_a_worker_that_asks_gets_it(ends: Ends, sealed: Path) -> None:
    link, theirs = ends
    theirs.sendall(wire.Message(wire.DEMAND).pack())
    link.wait_demand(lambda: True)
    with sealed_memory(sealed, sha256=sha256_of_bytes(CONTENT)) as memory:
        link.hand_over(memory)
    content, (received,) = wire.receive_descriptors(theirs)
    assert wire.Message.unpack(content) == wire.Message(wire.SEALED)
    assert os.pread(received, len(CONTENT) + 1, 0) == CONTENT
    os.close(received)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (wire.Message(wire.READY), "not asked for"),
        (wire.Message(wire.READY, status=99), "not asked for"),
        (wire.Message(wire.DEMAND, slot=1), "not asked for"),
        (wire.Message(wire.REPLY), "not asked for"),
        (wire.Message(wire.READY, status=wire.NEVER_READ), "without reading"),
        (wire.Message(wire.READY, status=wire.SCRIPT_FAILED), "raised an exception"),
    ],
)
def test_anything_else_is_an_answer_of_theirs(ends: Ends, message: wire.Message, said: str) -> None:
    link, theirs = ends
    theirs.sendall(message.pack())
    with pytest.raises(AnswerError, match=said):
        link.wait_demand(lambda: True)


def test_a_worker_that_is_gone_gets_nothing(ends: Ends, sealed: Path) -> None:
    link, theirs = ends
    theirs.close()
    with pytest.raises(WorkerGone):
        link.wait_demand(lambda: True)
    with (
        sealed_memory(sealed, sha256=sha256_of_bytes(CONTENT)) as memory,
        pytest.raises(WorkerGone),
    ):
        link.hand_over(memory)
