"""What a worker may say of its answer: nothing that was not asked, and one of three types."""

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from harness.inside import worker as wire
from harness.scoring.link import ITEM_BYTES, AnswerError, Link

WINDOWS, LENGTH, FIRST, VOCABULARY = 2, 8, 3, 5
Ends = tuple[Link, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A link, and the worker's end of it."""
    ours, theirs = socket.socketpair()
    link = Link(
        ours,
        max_windows=WINDOWS,
        length=LENGTH,
        logit_values=WINDOWS * LENGTH * VOCABULARY,
        vocabulary_size=VOCABULARY,
    )
    try:
        yield link, theirs
    finally:
        link.close()
        theirs.close()


def asked(link: Link) -> wire.Message:
    tokens = np.zeros((WINDOWS, LENGTH), np.int64)
    return link.send(serial=7, slot=1, tokens=tokens, first=FIRST)


@pytest.mark.parametrize("code", wire.DTYPES)
def test_an_answer_holds_as_many_bytes_as_its_type_says(ends: Ends, code: int) -> None:
    link, worker = ends
    request = asked(link)
    worker.sendall(request._replace(kind=wire.REPLY, dtype=code).pack())
    answer = link.receive(request, lambda: True)
    assert answer.shape == (WINDOWS, LENGTH - FIRST, VOCABULARY)
    assert answer.dtype == wire.DTYPES[code]
    assert len(answer.memory) == WINDOWS * (LENGTH - FIRST) * VOCABULARY * ITEM_BYTES[answer.dtype]


def test_every_type_has_a_size() -> None:
    assert set(wire.DTYPES.values()) == set(ITEM_BYTES)
    assert max(ITEM_BYTES.values()) == ITEM_BYTES[wire.DTYPES[wire.FLOAT32]]


@pytest.mark.parametrize("code", [0, len(wire.DTYPES) + 1, 0xFFFFFFFF])
def test_any_other_type_is_refused(ends: Ends, code: int) -> None:
    link, worker = ends
    request = asked(link)
    worker.sendall(request._replace(kind=wire.REPLY, dtype=code).pack())
    with pytest.raises(AnswerError):
        link.receive(request, lambda: True)


@pytest.mark.parametrize("code", wire.DTYPES)
def test_a_type_belongs_to_an_answer_alone(ends: Ends, code: int) -> None:
    link, worker = ends
    request = asked(link)
    refusal = request._replace(kind=wire.REPLY, status=wire.WRONG_SHAPE)
    worker.sendall(refusal.pack() + refusal._replace(dtype=code).pack())
    with pytest.raises(AnswerError, match="wrong shape"):
        link.receive(request, lambda: True)
    with pytest.raises(AnswerError, match="not asked for"):
        link.receive(request, lambda: True)
    worker.sendall(wire.Message(wire.READY, dtype=code).pack())
    with pytest.raises(AnswerError, match="not asked for"):
        link.wait_ready(lambda: True)
