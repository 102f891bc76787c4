"""Our arithmetic on a buffer of logits, against what a read, a copy and torch's own loss take.

``make bench`` prints it: targets per second, and ratios of the quickest of some rounds, in each of
which all were measured in turn. The buffer is shared memory, as a worker's is, and larger than any
cache. The bar is one read of it, on as many threads: nobody can sum what he has not read.
"""

import argparse
import itertools
import mmap
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from harness.scoring.arithmetic import Arithmetic
from harness.scoring.link import ITEM_BYTES, Answer

BUFFER_BYTES = 256 << 20
# The frontier: 40.5 million targets, scored by 8 devices in some 435 of their 600 seconds.
FRONTIER_TARGETS, FRONTIER_VOCABULARY, LANES = 40_540_000, 8192, 8


class Measured(NamedTuple):
    """Seconds that each took in one round."""

    ours: float
    read: float
    copy: float
    loss: float


def main() -> None:
    """Print a line for each type, vocabulary and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    memory = shared_memory(BUFFER_BYTES)
    for vocabulary in (1024, 8192):
        for dtype in ITEM_BYTES:
            answer, targets = filled(memory, dtype, vocabulary)
            for threads in options.threads:
                report(answer, targets, threads=threads, rounds=options.rounds)


def shared_memory(size: int) -> npt.NDArray[np.uint8]:
    """Some, as a worker shares it."""
    descriptor = os.memfd_create("bench")
    os.ftruncate(descriptor, size)
    shared = np.frombuffer(mmap.mmap(descriptor, size), dtype=np.uint8)
    os.close(descriptor)
    return shared


def filled(
    memory: npt.NDArray[np.uint8], dtype: str, vocabulary: int
) -> tuple[Answer, npt.NDArray[np.int64]]:
    """As many logits as a slot holds in float32, and their targets."""
    rows = BUFFER_BYTES // 4 // vocabulary
    size = rows * vocabulary * ITEM_BYTES[dtype]
    answer = Answer(memory[:size], (1, rows, vocabulary), dtype)
    logits = as_tensor(answer)
    generator = torch.Generator().manual_seed(0)
    for row in range(0, rows, 1024):
        part = logits[row : row + 1024]
        part.copy_(torch.randn(part.shape, generator=generator) * 3)
    return answer, np.random.default_rng(0).integers(0, vocabulary, (1, rows))


def as_tensor(answer: Answer) -> torch.Tensor:
    """Its logits, [rows, V]."""
    whole = torch.frombuffer(answer.memory, dtype=getattr(torch, answer.dtype))
    return whole.view(-1, answer.shape[2])


def report(answer: Answer, targets: npt.NDArray[np.int64], *, threads: int, rounds: int) -> None:
    """Print what some rounds measured."""
    torch.set_num_threads(threads)
    arithmetic = Arithmetic()
    with ThreadPoolExecutor(threads) as pool:
        measured = [measure(answer, targets, arithmetic, pool, threads) for _ in range(rounds)]
    _, rows, vocabulary = answer.shape
    # The quickest of each: whatever else runs on this machine only ever adds.
    best = Measured(*(min(seconds) for seconds in zip(*measured, strict=True)))
    rate = rows / best.ours
    read, copy, loss = (seconds / best.ours for seconds in best[1:])
    line = (
        f"vocabulary {vocabulary:>5,}, {answer.dtype:>8}, {threads} thread"
        f"{'s' if threads > 1 else ' '}: {rate / threads:>9,.0f} targets/s a core; as fast as "
        f"{read:.2f} of a read, {copy:.2f} of a copy, {loss:.2f} of torch's cross entropy"
    )
    if vocabulary == FRONTIER_VOCABULARY:
        seconds = FRONTIER_TARGETS / LANES / rate
        line += f"; a frontier's share of one of {LANES} devices: {seconds:.0f} s"
    print(line, flush=True)


def measure(
    answer: Answer,
    targets: npt.NDArray[np.int64],
    arithmetic: Arithmetic,
    pool: ThreadPoolExecutor,
    threads: int,
) -> Measured:
    """One round: all of them once, on as many threads each."""
    logits, chosen = as_tensor(answer), torch.from_numpy(targets[0])
    copied = torch.zeros_like(logits)  # touched, so that no copy is the first to use it
    parts = [slice(*ends) for ends in _parts(len(logits), threads)]
    loss = torch.nn.functional.cross_entropy
    return Measured(
        ours=_seconds(lambda: arithmetic.costs(answer, targets, where=lambda *_: "")),
        read=_seconds(lambda: list(pool.map(lambda part: read(answer, part), parts))),
        copy=_seconds(lambda: copied.copy_(logits)),
        loss=_seconds(lambda: loss(logits.float(), chosen, reduction="none")),
    )


def read(answer: Answer, part: slice) -> object:
    """The cheapest look at every byte of some rows."""
    row_bytes = answer.shape[2] * ITEM_BYTES[answer.dtype]
    return answer.memory[part.start * row_bytes : part.stop * row_bytes].view(np.int64).max()


def _parts(rows: int, count: int) -> list[tuple[int, int]]:
    ends = [rows * number // count for number in range(count + 1)]
    return list(itertools.pairwise(ends))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
