"""The arithmetic that decides: what each target cost, block by block, from one private copy.

Nats of a target are ``log(sum(exp(x))) - x[target]``: exponentials and their sum in float32, the
rest, and all sums over targets, in float64. Where the largest logit of a row is far from 0, it is
subtracted from the row first: a huge common offset would else overflow, or round a target's cost to
nothing. Near 0 that would only cost time and a rounding.

Logits lie in memory that the worker can write to at any time. Each block of rows is copied once,
to where the worker can't reach it, and everything that is said of a row is read from that copy. A
block is so small that its copy stays in the core's cache: the shared memory is read once, and
nothing else is read from memory at all.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch

from harness.scoring.link import Answer, AnswerError

# 768 KiB: it fits a core's second cache, and calls into torch take a tenth of the time.
BLOCK_VALUES = 3 << 16
MOST_THREADS = 4
# Sums of exponentials of rows whose largest logit is so near 0 neither overflow nor lose a part.
NEAR = 30.0
# What is less adds nothing to such a sum, but its exponential is no normal number: a vectorized
# exp takes up to 200 times as long for it.
LEAST = -87.0


class Kept(NamedTuple):
    """Where whole distributions are wanted: int64[K] windows and int64[K] positions in them."""

    windows: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]

    @classmethod
    def none(cls) -> "Kept":
        """Nowhere."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))


def threads_for(lanes: int, *, accelerators: bool) -> int:
    """How many threads sum the answers of one of ``lanes`` workers.

    Without accelerators the model needs the cores. With them the cores idle: half are taken. One
    thread keeps up with any model; more shorten the wait where a model is told what was summed.
    """
    if not accelerators:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MOST_THREADS, (cores or 1) // (2 * lanes)))


class Arithmetic:
    """The threads that sum the answers of one worker, and their private memory; close it.

    Figures don't depend on how many threads there are. torch itself must be set to one thread
    (``torch.set_num_threads``), or each of these would have as many.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._memories = [torch.empty(0) for _ in range(threads)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def costs(
        self,
        answer: Answer,
        targets: npt.NDArray[np.int64],
        *,
        where: Callable[[int, int], str],
        kept: Kept | None = None,
        wanted: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cost of each target of an answer, and log-probabilities where asked.

        Args:
            answer: B windows of P positions; may be overwritten by the worker meanwhile, and by
                anybody as soon as this returns.
            targets: int64[B, P], ids.
            where: names a window and a position for the message.
            kept: K places of which all log-probabilities are wanted.
            wanted: bool[B, P], which positions are targets at all: whatever was answered at the
                others is ignored, and costs 0. None: all. Kept places must be among them.

        Returns:
            float32[B, P] nats, at least 0, and float32[K, V].

        Raises:
            AnswerError: a NaN, a +inf, or -inf on a target. (-inf elsewhere is a probability of 0.)
        """
        kept = kept or Kept.none()
        if wanted is not None and not wanted[kept].all():
            raise ValueError("kept: expected places that are wanted")
        windows, positions, vocabulary = answer.shape
        logits = torch.frombuffer(answer.memory, dtype=getattr(torch, answer.dtype))
        sums = _Sums.of(
            logits.view(-1, vocabulary),
            torch.from_numpy(targets).reshape(-1, 1),
            kept.windows * positions + kept.positions,
        )
        self._run(sums, None if wanted is None else wanted.reshape(-1))
        nats = (sums.totals.double().log_() - sums.chosen.double()).float()
        # Rounding can take a cost that is almost nothing below it.
        nats = nats.clamp_(min=0).view(windows, positions)
        if wanted is not None:
            nats[~torch.from_numpy(wanted)] = 0
        # NaN anywhere, +inf anywhere (inf - inf) and a row of -inf make the sum NaN.
        bad = ~torch.isfinite(nats)
        if bool(bad.any()):
            window, position = (int(index) for index in bad.nonzero()[0])
            on_target = bool(torch.isinf(nats[window, position]))
            what = "-inf on the target" if on_target else "NaN or inf"
            raise AnswerError(f"the model answered {what} {where(window, position)}")
        return nats, sums.kept_rows - sums.totals[sums.kept].log().unsqueeze(-1)

    def _run(self, sums: "_Sums", wanted: npt.NDArray[np.bool_] | None) -> None:
        """Sum all rows of which one is wanted."""
        rows, vocabulary = sums.logits.shape
        most = max(1, min(BLOCK_VALUES // vocabulary, -(-rows // self._threads)))
        blocks = deque(
            (begin, min(begin + most, rows))
            for begin in range(0, rows, most)
            if wanted is None or wanted[begin : begin + most].any()
        )

        def work(number: int) -> None:
            memory = self._memory(number, most * vocabulary)
            while blocks:
                try:
                    begin, end = blocks.popleft()
                except IndexError:  # another thread took the last one
                    return
                sums.add(begin, end, memory[: (end - begin) * vocabulary].view(-1, vocabulary))

        helpers = min(self._threads, len(blocks)) - 1
        if self._pool is None or helpers < 1:
            work(0)
            return
        tasks = [self._pool.submit(work, number) for number in range(1, helpers + 1)]
        try:
            work(0)
        finally:
            blocks.clear()
            for task in tasks:
                task.result()

    def _memory(self, number: int, values: int) -> torch.Tensor:
        """A thread's private memory, kept from answer to answer so that it stays in its cache."""
        if len(self._memories[number]) < values:
            self._memories[number] = torch.empty(values)
        return self._memories[number]


class _Sums(NamedTuple):
    """What is known of N rows so far; ``kept`` int64[K] are rows, ``kept_order`` sorts them.

    ``chosen`` float32[N] are the targets' logits and ``kept_rows`` float32[K, V] whole rows, both
    less what was subtracted; ``totals`` float32[N] are the sums of the exponentials.
    """

    logits: torch.Tensor
    targets: torch.Tensor
    kept: npt.NDArray[np.int64]
    kept_order: npt.NDArray[np.intp]
    chosen: torch.Tensor
    totals: torch.Tensor
    kept_rows: torch.Tensor

    @classmethod
    def of(
        cls, logits: torch.Tensor, targets: torch.Tensor, kept: npt.NDArray[np.int64]
    ) -> "_Sums":
        rows, vocabulary = logits.shape
        return cls(
            logits=logits,
            targets=targets,
            kept=kept,
            kept_order=np.argsort(kept, kind="stable"),
            # What no block reaches is not wanted, and costs log(1) - 0.
            chosen=torch.zeros(rows),
            totals=torch.ones(rows),
            kept_rows=torch.empty(len(kept), vocabulary),
        )

    def add(self, begin: int, end: int, block: torch.Tensor) -> None:
        """Sum rows ``begin`` to ``end`` in ``block`` float32[end - begin, V]; several threads may.

        The first line is the only one that looks at what the worker can still write.
        """
        block.copy_(self.logits[begin:end])
        largest = block.amax(dim=-1, keepdim=True)
        lowest, highest = torch.aminmax(largest)
        if not (float(lowest) >= -NEAR and float(highest) <= NEAR):  # or one is NaN
            # Row by row, so that a row's figures do not depend on those beside it.
            block.sub_(torch.where(largest.abs() > NEAR, largest, 0))
        chosen = self.chosen[begin:end].unsqueeze(-1)
        torch.gather(block, 1, self.targets[begin:end], out=chosen)
        if len(self.kept):
            first, last = np.searchsorted(self.kept, (begin, end), sorter=self.kept_order)
            places = self.kept_order[first:last]
            self.kept_rows[places] = block[self.kept[places] - begin]
        torch.sum(block.clamp_(min=LEAST).exp_(), dim=-1, out=self.totals[begin:end])
