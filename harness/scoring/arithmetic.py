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
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from harness.scoring.link import Answer, AnswerError

# 768 KiB for each thread: that fits a core's second cache, and calls into torch take little of the
# time. Threads of Python, a block each, were no quicker than one: they wait for each other there.
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
    """How many threads torch may have to sum the answers of one of ``lanes`` workers.

    Without accelerators the model needs the cores. With them the cores idle: half are taken. One
    thread keeps up with any model; more shorten the wait where a model is told what was summed.
    """
    if not accelerators:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MOST_THREADS, (cores or 1) // (2 * lanes)))


class Arithmetic:
    """Sums the answers of one worker, on as many threads as torch is set to.

    Figures do not depend on how many those are. It owns the private memory, so only one thread may
    call it at a time.
    """

    def __init__(self) -> None:
        self._memory = torch.empty(0)

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
            besides = "" if on_target else " (-inf is a probability of 0, but not for every id)"
            raise AnswerError(f"the model answered {what} {where(window, position)}{besides}")
        return nats, sums.kept_rows - sums.totals[sums.kept].log().unsqueeze(-1)

    def _run(self, sums: "_Sums", wanted: npt.NDArray[np.bool_] | None) -> None:
        """Sum all rows of which one is wanted."""
        rows, vocabulary = sums.logits.shape
        # torch gives each of its threads the same share of a block's rows in every step.
        most = max(1, BLOCK_VALUES // vocabulary) * torch.get_num_threads()
        if len(self._memory) < most * vocabulary:
            # Kept from answer to answer, so that it stays in the cache.
            self._memory = torch.empty(most * vocabulary)
        for begin in range(0, rows, most):
            end = min(begin + most, rows)
            if wanted is None or wanted[begin:end].any():
                block = self._memory[: (end - begin) * vocabulary].view(-1, vocabulary)
                sums.add(begin, end, block)


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
        """Sum rows ``begin`` to ``end`` in ``block`` float32[end - begin, V].

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
