"""Keeps the workers busy: each has a thread and two open requests; one is computed, one summed.

The workers of an adaptive model are replicas. The windows of a segment are distributed over them;
when every answer is summed, all of them observe the whole segment at the same time. (One worker
alone would leave seven of eight accelerators idle. Replicas can share the work of observing,
because each of them is called.)
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch

from harness.inside import worker as wire
from harness.scoring.arithmetic import Arithmetic
from harness.scoring.channel import Channel
from harness.scoring.link import SLOTS, Answer, Link
from harness.scoring.windows import Request, Round, WindowPlan, windows_at_once

TOKENS_AT_ONCE_CPU = 16_384
TOKENS_AT_ONCE_GPU = 131_072
LOGIT_BYTES_AT_ONCE = 256 << 20
POLL_SECONDS = 0.1

# Gets a request, its answer, and what sums it; from several threads. When it returns, the answer
# is the worker's again.
Handler = Callable[[Request, Answer, Arithmetic], None]


@dataclass(frozen=True)
class Timing:
    """How long loading and answering took, how many requests were answered, segments observed.

    ``observe_seconds`` are those of the slowest worker, within ``model_seconds``;
    ``waited_seconds`` are the mean worker's, in which it waited for us.
    """

    load_seconds: float
    model_seconds: float
    requests: int
    segments_observed: int
    observe_seconds: float
    waited_seconds: float


def answer_all(
    channel: Channel,
    tokens: npt.NDArray[np.uint16],
    plan: WindowPlan,
    rounds: Callable[[int], Iterator[Round]],
    *,
    vocabulary_size: int,
    workers: int,
    tokens_at_once: int,
    threads: int,
    alive: Callable[[], bool],
    handle: Handler,
    tick: Callable[[float], None],
) -> Timing:
    """Have every request answered by one of the workers that connect to ``channel``.

    Args:
        channel: where they connect.
        tokens: the stream that requests are cut from.
        plan: bounds the size of requests.
        rounds: called with the most windows that a request may hold. Every request of a round is
            answered and handled before its segment is observed; then the next round begins.
        vocabulary_size: last dimension of an answer.
        workers: how many connect, one for each device.
        tokens_at_once: tokens in a request.
        threads: of torch, which sum the answers of one worker.
        alive: whether the sandbox still runs.
        handle: gets each answer.
        tick: called a few times a second, with the seconds since the models were loaded.

    Raises:
        AnswerError: a model answered wrongly.
        WorkerGone: a worker ended before its work was done.
        InfrastructureError: memory of ours failed.
    """
    # For each worker a thread of ours has so many; more would only take cores from the model.
    torch.set_num_threads(threads)
    at_once = windows_at_once(
        plan,
        vocabulary_size=vocabulary_size,
        token_budget=tokens_at_once,
        logit_bytes=LOGIT_BYTES_AT_ONCE,
    )
    began = time.monotonic()
    links: list[Link] = []
    try:
        for _ in range(workers):
            links.append(_connect(channel, plan, vocabulary_size, at_once, alive))
        for link in links:
            link.wait_ready(alive)
        loaded = time.monotonic()
        for link in links:
            link.waiting.begin()
        source = _Shared(rounds(at_once), len(links))
        lanes = [_Lane(link, source, tokens, alive, handle) for link in links]
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
        requests=source.drawn,
        segments_observed=source.observed_segments,
        observe_seconds=max(lane.observe_seconds for lane in lanes),
        waited_seconds=fmean(link.waiting.seconds for link in links),
    )


def _connect(
    channel: Channel,
    plan: WindowPlan,
    vocabulary_size: int,
    at_once: int,
    alive: Callable[[], bool],
) -> Link:
    most_positions = max(plan.length, at_once * min(plan.stride, plan.length))
    return Link(
        channel.accept(alive),
        max_windows=at_once,
        length=plan.length,
        logit_values=most_positions * vocabulary_size,
        vocabulary_size=vocabulary_size,
        segment=plan.segment or 0,
    )


class _Shared:
    """Rounds of requests: several threads take requests from a round and end it together."""

    def __init__(self, rounds: Iterator[Round], lanes: int) -> None:
        self._rounds = rounds
        self._round = next(rounds, None)
        self._ended: Round | None = None
        self._barrier = threading.Barrier(lanes, action=self._turn)
        self._answered = 0.0
        self.last_answered = 0.0
        self.drawn = 0
        self.observed_segments = 0
        self._lock = threading.Lock()
        self._stopped = False

    def next(self) -> tuple[int, Request] | None:
        """The next request of this round and its serial number; None when there is none left."""
        with self._lock:
            if self._stopped or self._round is None:
                return None
            request = next(self._round.requests, None)
            if request is None:
                return None
            self.drawn += 1
            return self.drawn - 1, request

    def end_round(self, answered: float) -> Round | None:
        """Wait until all lanes have ended the round, and return it; None when none was left.

        ``answered`` is when this lane's worker gave its last answer; when that of the slowest did,
        ``last_answered`` then says.

        Raises:
            threading.BrokenBarrierError: another lane failed, or :meth:`stop` was called.
        """
        with self._lock:
            self._answered = max(self._answered, answered)
        self._barrier.wait()
        # No lane can end another round, and so change this, before all have read it.
        return self._ended

    def _turn(self) -> None:
        self.last_answered = self._answered
        self._ended = self._round
        if self._round is not None:
            self.observed_segments += self._round.observed is not None
            self._round = next(self._rounds, None)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
        self._barrier.abort()


@dataclass
class _Lane:
    """One worker and the thread of ours that keeps it busy."""

    link: Link
    source: _Shared
    tokens: npt.NDArray[np.uint16]
    alive: Callable[[], bool]
    handle: Handler
    failure: BaseException | None = None
    observe_seconds: float = 0.0

    def run(self) -> None:
        try:
            arithmetic = Arithmetic()
            self._drive(arithmetic)
            while (ended := self._meet()) is not None:
                if ended.observed is not None:
                    began = time.monotonic()
                    serial = self.source.observed_segments
                    self.link.observe(ended.observed, self.alive, serial=serial)
                    self.observe_seconds += time.monotonic() - began
                self._drive(arithmetic)
        except threading.BrokenBarrierError:
            return
        # Raised again by the main thread, which alone decides what it means.
        except BaseException as error:  # noqa: BLE001
            self.source.stop()
            self.failure = error

    def _meet(self) -> Round | None:
        """End the round with the others; while one of them computes, we are not waited for."""
        summed = time.monotonic()
        ended = self.source.end_round(self.link.waiting.since)
        self.link.waiting.excuse(self.source.last_answered - summed)
        return ended

    def _drive(self, arithmetic: Arithmetic) -> None:
        """One round. While the worker computes one slot, the answer in the other is summed."""
        pending: list[tuple[Request, wire.Message]] = []

        def send_next(slot: int) -> None:
            if (item := self.source.next()) is not None:
                serial, request = item
                tokens = request.tokens(self.tokens)
                message = self.link.send(
                    serial=serial, slot=slot, tokens=tokens, first=request.first
                )
                pending.append((request, message))

        for slot in range(SLOTS):
            send_next(slot)
        while pending:
            request, message = pending.pop(0)
            self.handle(request, self.link.receive(message, self.alive), arithmetic)
            send_next(message.slot)


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
        for lane in lanes:
            lane.source.stop()
    for lane in lanes:
        if lane.failure is not None:
            raise lane.failure
