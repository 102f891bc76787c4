"""How many targets a second the referee's own side of scoring can take, whatever the model.

``python -m tests.bench.lanes`` plays workers that answer at once (``ready_worker``) through the
real channel, links, lanes and arithmetic: the naive baseline's vocabulary, windows and stride, in
requests as they go to an accelerator. It prints targets a second against workers and cores.

The workers share the cores, and others may. So the referee's processor seconds for a target are
kept apart: what they are on two cores, against one, says how well it scales, whatever share of them
it had, and what more cores can do.

What holds the interpreter's lock does not spread over cores. So the same is played with logits that
weigh nothing: every call is made, on blocks of one row of one logit. That rate, measured, is the
most that any number of cores allows. ``at 16 cores`` is the smaller of it and of what the processor
seconds allow where each worker has one core of ours: there are no more threads.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch

from harness.inside.worker import DTYPES
from harness.scoring import arithmetic
from harness.scoring.arithmetic import BLOCK_VALUES, Arithmetic
from harness.scoring.channel import Channel
from harness.scoring.link import ITEM_BYTES, Answer
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.plan import Room
from harness.scoring.scorer import Stream, score
from harness.scoring.worker_pool import TOKENS_AT_ONCE_GPU
from tests.bench.arithmetic import as_tensor, shared_memory

VOCABULARY, LENGTH, STRIDE = 1024, 1024, 64
# FineWeb's validation split in these tokens; the record's own loop took so long on eight H100.
SPLIT_TARGETS, RECORD_SECONDS = 62_021_845, 70.8
# A tenth of that, were none of our time hidden behind the devices'.
GOAL = 900_000
CORES = 16


class Played(NamedTuple):
    """One scoring: its rate, and processor seconds a target.

    ``ours`` are those of the referee's process, ``sums`` of them those of the arithmetic on logits;
    ``theirs`` those of all workers.
    """

    rate: float
    ours: float
    sums: float
    theirs: float

    @property
    def rest(self) -> float:
        """Of the referee's: all but the arithmetic."""
        return self.ours - self.sums


def main() -> None:
    """Print a line for each number of workers and cores, and what follows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--targets", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--dtype", choices=tuple(DTYPES.values()), default="bfloat16")
    options = parser.parse_args()
    here = sorted(os.sched_getaffinity(0))
    torch.set_num_threads(1)
    copied, summed = cost_of_blocks(options.dtype)
    print(
        f"a target of a vocabulary of {VOCABULARY:,} in {options.dtype}: {1e6 * copied:.3f} us to "
        f"copy, {1e6 * (summed - copied):.3f} us for its log-softmax"
    )
    for workers in options.workers:
        best: dict[int, Played] = {}
        weightless = 0.0
        for _ in range(options.rounds):
            for cores in range(1, min(2, len(here)) + 1):
                with confined(here[:cores]):
                    one = played(workers, options.targets, options.dtype)
                # Whatever else runs on this machine only ever slows it.
                best[cores] = max(one, best.get(cores, one), key=lambda one: one.rate)
            light = played(workers, options.targets, options.dtype, costs=costs_of_nothing)
            weightless = max(weightless, light.rate)
        for cores, found in best.items():
            report(
                workers,
                cores,
                found,
                weightless=weightless,
                scaling=cores * best[1].ours / found.ours,
            )
    print(f"goal {GOAL:,}: the split's {SPLIT_TARGETS:,} targets in a tenth of {RECORD_SECONDS} s")


def report(workers: int, cores: int, found: Played, *, weightless: float, scaling: float) -> None:
    """Print what was found; ``weightless``: targets a second where logits weigh nothing."""
    most = min(min(CORES, workers) / found.ours, weightless)
    said = f" ({scaling:.2f} times one core's, with both to itself)" if cores > 1 else ""
    print(
        f"{workers} workers, {cores} cores: {found.rate:>9,.0f} targets/s{said}; "
        f"{1e6 * found.ours:.3f} us of a core each ({1e6 * found.sums:.3f} arithmetic, "
        f"{1e6 * found.rest:.3f} the rest), of which it had {found.rate * found.ours:.2f}, workers "
        f"{1e6 * found.theirs:.3f}; weightless {weightless:,.0f}; at {CORES} cores {most:,.0f}",
        flush=True,
    )


@contextmanager
def confined(cores: list[int]) -> Iterator[None]:
    """Keep this process, each thread of it, and what it starts, on some cores."""
    before = os.sched_getaffinity(0)
    _confine(cores)
    try:
        yield
    finally:
        _confine(sorted(before))


def _confine(cores: list[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def costs_of_nothing(
    arithmetic_of_lane: Arithmetic, answer: Answer, targets: npt.NDArray[np.int64], **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """As many blocks, of one row of one logit each; every target costs nothing."""
    blocks = -(-targets.size // (BLOCK_VALUES // VOCABULARY))
    memory = answer.memory[: blocks * ITEM_BYTES[answer.dtype]]
    few = np.zeros((1, blocks), np.int64)
    _COSTS(arithmetic_of_lane, Answer(memory, (1, blocks, 1), answer.dtype), few, where=_nowhere)
    return torch.zeros(targets.shape), torch.empty(0, VOCABULARY)


_COSTS = Arithmetic.costs


def _nowhere(window: int, position: int) -> str:
    return ""


def played(workers: int, targets: int, dtype: str, *, costs: Callable[..., Any] = _COSTS) -> Played:
    """Score so many targets with workers that answer at once; ``costs`` sums their answers."""
    tokens = np.random.default_rng(0).integers(2, VOCABULARY, targets + 1).astype(np.uint16)
    tokens[::1240] = 1  # a document has 1,240 tokens on average
    stream = Stream(tokens, np.full(int((tokens == 1).sum()), 3_000), 1, VOCABULARY)
    probes = ProbeSet.none(WindowPlan(len(tokens), LENGTH, STRIDE))
    assert len(probes.plan)  # laid out before the clock starts
    clock = Clock()
    with tempfile.TemporaryDirectory() as name, Channel() as channel, ExitStack() as stack:
        command = [sys.executable, "-m", "tests.bench.ready_worker", "--dtype", dtype]
        command += ["--socket", str(channel.directory / "socket")]
        started = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            for _ in range(workers)
        ]
        stack.enter_context(patch.object(Arithmetic, "costs", clock.timing(costs)))
        if costs is costs_of_nothing:
            stack.enter_context(patch.object(arithmetic, "BLOCK_VALUES", 1))
        began = time.process_time()
        scores = score(
            channel,
            stream,
            probes,
            workers=workers,
            tokens_at_once=TOKENS_AT_ONCE_GPU,
            alive=lambda: all(one.poll() is None for one in started),
            documents_file=Path(name) / "documents.npz",
            progress=lambda *told: None,
        )
        ours = time.process_time() - began
        theirs = sum(float(one.communicate()[0]) for one in started)
    return Played(
        rate=scores.targets / scores.model_seconds,
        ours=ours / scores.targets,
        sums=clock.seconds / scores.targets,
        theirs=theirs / scores.targets,
    )


class Clock:
    """Processor seconds of some calls, in all threads together."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = threading.Lock()

    def timing(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*given: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return work(*given, **named)
            finally:
                with self._lock:
                    self.seconds += time.thread_time() - began

        return timed


def cost_of_blocks(dtype: str, *, rounds: int = 9) -> tuple[float, float]:
    """Processor seconds for a target, in blocks: of the copies alone, and of all."""
    at_once = Room(TOKENS_AT_ONCE_GPU, VOCABULARY).windows(length=LENGTH, positions=STRIDE)
    targets, rows = at_once * STRIDE, BLOCK_VALUES // VOCABULARY
    memory = shared_memory(targets * VOCABULARY * ITEM_BYTES[dtype])
    answer = Answer(memory, (at_once, STRIDE, VOCABULARY), dtype)
    logits, block = as_tensor(answer), torch.empty(rows, VOCABULARY)
    logits.copy_(torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)) * 3)
    sums, chosen = Arithmetic(), np.zeros((at_once, STRIDE), np.int64)

    def copy() -> None:
        for begin in range(0, targets, rows):
            part = logits[begin : begin + rows]
            block[: len(part)].copy_(part)

    return (
        _quickest(copy, rounds) / targets,
        _quickest(lambda: sums.costs(answer, chosen, where=_nowhere), rounds) / targets,
    )


def _quickest(work: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        began = time.thread_time()  # of a core: others may have it meanwhile
        work()
        seconds.append(time.thread_time() - began)
    return min(seconds)


if __name__ == "__main__":
    main()
