"""Plays a schedule: asks all that it asks, has each answer summed, and tells what it tells.

Each worker has a lane of the schedule and a thread of ours. It has two open requests: one is
computed, one summed.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean

import torch

from harness.inside import worker as wire
from harness.scoring.arithmetic import Arithmetic
from harness.scoring.channel import Channel
from harness.scoring.handover import Handover
from harness.scoring.link import SLOTS, Answer, Link
from harness.scoring.pace import Firsts, Shape, Timed
from harness.scoring.schedules.asking import (
    Ask,
    Observe,
    ObserveRows,
    Reset,
    Schedule,
    Tell,
    Tokens,
    Turn,
)
from harness.scoring.schedules.plan import Slot

TOKENS_AT_ONCE_CPU = 16_384
TOKENS_AT_ONCE_GPU = 131_072
POLL_SECONDS = 0.1

# Gets an ask, its answer, and what sums it; from several threads. When it returns, the answer is
# the worker's again.
Listener = Callable[[Ask, Answer, Arithmetic], None]


@dataclass(frozen=True)
class Timing:
    """How long loading and answering took, and how much was asked and told.

    ``observe_seconds``, spent in telling, are those of the slowest worker, within
    ``model_seconds``; ``waited_seconds`` are the mean worker's, in which it waited for us.
    ``segments_observed`` are those of one stream, or of all rows together.
    """

    load_seconds: float
    model_seconds: float
    requests: int
    segments_observed: int
    studies: int
    observe_seconds: float
    waited_seconds: float


def play(
    channel: Channel,
    tokens: Tokens,
    schedule: Schedule,
    *,
    slot: Slot,
    vocabulary_size: int,
    workers: int,
    threads: int,
    alive: Callable[[], bool],
    listen: Listener,
    tick: Callable[[float], None],
    timed: Callable[[Timed], None] = lambda _: None,
    handover: Handover | None = None,
) -> Timing:
    """Have the workers that connect to ``channel`` answer everything that a schedule asks.

    Args:
        channel: where they connect.
        tokens: the stream that asks are cut from.
        schedule: a lane for each worker.
        slot: the most that a request holds.
        vocabulary_size: last dimension of an answer.
        workers: how many connect, one for each device.
        threads: of torch, which sum the answers of one worker.
        alive: whether the sandbox still runs.
        listen: gets each answer.
        tick: called a few times a second, with the seconds since the models were loaded.
        timed: gets what each answer took; from several threads.
        handover: the sealed file, where workers ask for it. All get it at once, when the last one
            has asked, and loading counts from there.

    Raises:
        AnswerError: a model answered wrongly.
        WorkerGone: a worker ended before its work was done.
        InfrastructureError: memory of ours failed.
    """
    # For each worker a thread of ours has so many; more would only take cores from the model.
    torch.set_num_threads(threads)
    began = time.monotonic()
    links: list[Link] = []
    try:
        for _ in range(workers):
            connection = channel.accept(alive)
            links.append(Link(connection, slot=slot, vocabulary_size=vocabulary_size))
        if handover is not None:
            for link in links:
                link.wait_demand(alive)
            handover.begins()
            began = time.monotonic()
            for link in links:
                link.hand_over(handover.memory)
        for link in links:
            link.wait_ready(alive)
        loaded = time.monotonic()
        for link in links:
            link.waiting.begin()
        meeting = _Meeting(workers)
        lanes = [
            _Lane(number, link, schedule, tokens, meeting, alive, listen, timed)
            for number, link in enumerate(links)
        ]
        _run(lanes, lambda: tick(time.monotonic() - loaded))
        for link in links:
            link.say_goodbye()
        elapsed = time.monotonic() - loaded
    finally:
        for link in links:
            link.close()
    return Timing(
        load_seconds=loaded - began,
        model_seconds=elapsed,
        requests=sum(lane.requests for lane in lanes),
        # All lanes observe the same stream and study the same documents, but rows are their own.
        segments_observed=max(lane.segments for lane in lanes) + sum(lane.rows for lane in lanes),
        studies=max(lane.studies for lane in lanes),
        observe_seconds=max(lane.observe_seconds for lane in lanes),
        waited_seconds=fmean(link.waiting.seconds for link in links),
    )


class _Meeting:
    """Where lanes wait for each other, until one of them fails."""

    def __init__(self, lanes: int) -> None:
        self.over = threading.Event()
        self._barrier = threading.Barrier(lanes, action=self._met)
        self._lock = threading.Lock()
        self._answered = self._last_answered = 0.0

    def wait(self, answered: float) -> float:
        """Wait for all lanes.

        Args:
            answered: when this lane's worker gave its last answer.

        Returns:
            When that of the slowest did.

        Raises:
            threading.BrokenBarrierError: a lane has failed.
        """
        with self._lock:
            self._answered = max(self._answered, answered)
        self._barrier.wait()
        return self._last_answered

    def _met(self) -> None:
        self._last_answered, self._answered = self._answered, 0.0

    def go_on(self) -> None:
        """Raises BrokenBarrierError when a lane has failed."""
        if self.over.is_set():
            raise threading.BrokenBarrierError

    def end(self) -> None:
        """Nothing more is asked or told by any lane."""
        self.over.set()
        self._barrier.abort()


@dataclass
class _Lane:
    """One worker and the thread of ours that keeps it busy."""

    number: int
    link: Link
    schedule: Schedule
    tokens: Tokens
    meeting: _Meeting
    alive: Callable[[], bool]
    listen: Listener
    timed: Callable[[Timed], None]
    firsts: Firsts = field(default_factory=Firsts)
    told: bool = False
    failure: BaseException | None = None
    requests: int = 0
    segments: int = 0
    rows: int = 0
    studies: int = 0
    observe_seconds: float = 0.0

    def run(self) -> None:
        try:
            arithmetic = Arithmetic()
            for turn in self.schedule.turns(self.number):
                self._ask(turn, arithmetic)
                if turn.meets:
                    self._meet()
                for tell in turn.tells:
                    began = time.monotonic()
                    self._tell(tell)
                    self.told = True
                    self.observe_seconds += time.monotonic() - began
        except threading.BrokenBarrierError:
            return
        # Raised again by the main thread, which alone decides what it means.
        except BaseException as error:  # noqa: BLE001
            self.failure = error
            self.meeting.end()

    def _meet(self) -> None:
        """Wait for the other lanes; while one of them computes, we are not waited for."""
        summed = time.monotonic()
        slowest = self.meeting.wait(self.link.waiting.since)
        self.link.waiting.excuse(slowest - summed)

    def _ask(self, turn: Turn, arithmetic: Arithmetic) -> None:
        """All asks of a turn. While the worker computes one slot, the other's answer is summed."""
        pending: deque[tuple[Ask, wire.Message]] = deque()

        def send_next(slot: int) -> None:
            self.meeting.go_on()
            if (ask := next(turn.asks, None)) is not None:
                shown = ask.tokens(self.tokens)
                pending.append((ask, self.link.send(ask, shown, serial=self.requests, slot=slot)))
                self.requests += 1

        for slot in range(SLOTS):
            send_next(slot)
        while pending:
            ask, message = pending.popleft()
            answer = self.link.receive(message, self.alive)
            self._time(ask)
            self.listen(ask, answer, arithmetic)
            send_next(message.slot)

    def _time(self, ask: Ask) -> None:
        shape = Shape(len(ask.windows), ask.length, ask.positions)
        first = self.firsts.meet(shape)
        self.timed(Timed(shape.tokens, first, self.told, self.link.took))
        self.told = False

    def _tell(self, tell: Tell) -> None:
        stream, alive = self.tokens, self.alive
        if isinstance(tell, Observe):
            self.link.observe(stream[tell.begin : tell.end], alive)
            self.segments += 1
        elif isinstance(tell, ObserveRows):
            self.link.observe_rows(tell, stream, alive)
            self.rows += len(tell.rows)
        elif isinstance(tell, Reset):
            self.link.reset(tell.rows, alive)
        else:
            documents = zip(tell.begins.tolist(), tell.ends.tolist(), strict=True)
            self.link.study([stream[begin : end + 1] for begin, end in documents], alive)
            self.studies += 1


def _run(lanes: list[_Lane], tick: Callable[[], None]) -> None:
    """Run every lane in a thread until no request is left, or one of them fails."""
    threads = [threading.Thread(target=lane.run, daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(POLL_SECONDS)
                tick()
    finally:
        lanes[0].meeting.end()
    for lane in lanes:
        if lane.failure is not None:
            raise lane.failure
