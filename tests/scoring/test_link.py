"""What a worker may say of its answer: nothing that was not asked, and one of three types."""

import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from harness.inside import worker as wire
from harness.scoring.link import ITEM_BYTES, AnswerError, Link, WorkerGone
from harness.scoring.schedules.asking import Ask
from harness.scoring.schedules.plan import Slot

WINDOWS, LENGTH, FIRST, VOCABULARY = 2, 8, 3, 5
PAUSE = 0.3
Ends = tuple[Link, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A link, and the worker's end of it."""
    ours, theirs = socket.socketpair()
    slot = Slot(tokens=WINDOWS * LENGTH, positions=WINDOWS * LENGTH)
    link = Link(ours, slot=slot, vocabulary_size=VOCABULARY)
    try:
        yield link, theirs
    finally:
        link.close()
        theirs.close()


def asked(link: Link) -> wire.Message:
    each = np.full(WINDOWS, FIRST)
    ask = Ask(each, each, LENGTH, each, LENGTH - each, LENGTH - FIRST, each)
    return link.send(ask, np.zeros((WINDOWS, LENGTH), np.int64), serial=7, slot=1)


def reply(request: wire.Message) -> bytes:
    return request._replace(kind=wire.REPLY, dtype=wire.FLOAT32).pack()


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


class TestHowLongAWorkerWaited:
    """Only lower bounds of time: a busy machine makes every wait longer."""

    def test_counts_from_its_last_answer_to_the_next_request(self, ends: Ends) -> None:
        link, worker = ends
        request = asked(link)
        worker.sendall(reply(request))
        time.sleep(PAUSE)  # we sum, and have not looked whether an answer came
        link.receive(request, lambda: True)
        before = link.waiting.seconds
        asked(link)
        assert link.waiting.seconds - before > PAUSE * 0.7

    def test_does_not_count_while_a_request_is_open(self, ends: Ends) -> None:
        link, worker = ends
        first, second = asked(link), asked(link)
        before = link.waiting.seconds
        worker.sendall(reply(first))
        link.receive(first, lambda: True)
        time.sleep(PAUSE)
        asked(link)
        worker.sendall(reply(second))
        link.receive(second, lambda: True)
        time.sleep(PAUSE)
        asked(link)
        assert link.waiting.seconds == before

    def test_is_less_what_others_are_to_blame_for(self, ends: Ends) -> None:
        link, _ = ends
        link.waiting.begin()
        link.waiting.excuse(-1.0)
        assert link.waiting.seconds == 0
        time.sleep(PAUSE)
        asked(link)
        link.waiting.excuse(PAUSE)
        assert link.waiting.seconds >= 0

    def test_a_forged_answer_makes_no_debt(self, ends: Ends) -> None:
        link, worker = ends
        worker.sendall(wire.Message(wire.READY).pack() * 3)
        for _ in range(3):
            link.wait_ready(lambda: True)
        asked(link)
        before = link.waiting.seconds
        time.sleep(PAUSE)
        asked(link)
        assert link.waiting.seconds == before


def test_a_flood_is_left_in_the_socket(ends: Ends) -> None:
    link, worker = ends
    worker.settimeout(0.5)
    flood = wire.Message(wire.READY).pack() * (1 << 15)
    with pytest.raises(TimeoutError):
        for _ in range(1000):
            worker.sendall(flood)
    link.wait_ready(lambda: True)


def test_no_thread_outlives_its_link() -> None:
    before = threading.active_count()
    ours, theirs = socket.socketpair()
    with theirs:
        link = Link(ours, slot=Slot(tokens=2, positions=2), vocabulary_size=5)
        theirs.sendall(wire.Message(wire.READY).pack() * 100)
        link.close()
    assert threading.active_count() == before


def test_a_worker_that_ended_is_noticed_after_its_last_message(ends: Ends) -> None:
    link, worker = ends
    worker.sendall(wire.Message(wire.READY).pack())
    worker.close()
    link.wait_ready(lambda: True)
    with pytest.raises(WorkerGone):
        link.wait_ready(lambda: True)
    with pytest.raises(WorkerGone):
        link.wait_ready(lambda: False)
