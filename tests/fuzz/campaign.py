"""Feeding one parser hostile bytes: in a child, within a bound of memory, each within its time."""

import multiprocessing
import random
import resource
import signal
import tempfile
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import Target

# A parser that needs more for a quarter of a megabyte of input is one that hangs. Generous, for a
# busy machine: what these tests look for is a minute, not a second.
INPUT_SECONDS = 20
MEMORY_BYTES = 1 << 30  # beyond what the child had when it began


@dataclass(frozen=True)
class Found:
    """What a campaign against one target found.

    Attributes:
        inputs: how many were fed; ``refused`` of them with an error fit for a user.
        slowest_seconds: the longest that one took.
        grown_bytes: by how much the child's memory grew at its peak.
        problem: empty, or what went wrong, with the traceback.
        culprit: the input that did it.
    """

    target: str
    inputs: int = 0
    refused: int = 0
    slowest_seconds: float = 0.0
    grown_bytes: int = 0
    problem: str = ""
    culprit: bytes = b""


class _TooSlow(BaseException):
    """Not an Exception: no parser may swallow it."""


def run(target: Target, *, inputs: int, seconds: float = 3600.0, seed: int = 0) -> Found:
    """Feed ``target`` at most so many inputs, for at most so long; stops at the first problem."""
    # Forked: what the targets import stays imported. The parent has no threads that hold locks.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_feed, args=(theirs, target, inputs, seconds, seed))
    child.start()
    theirs.close()
    try:
        latest = Found(target=target.name)
        culprit = b""
        while True:
            try:
                message = ours.recv()
            except EOFError:
                break
            if isinstance(message, bytes):
                culprit = message
            else:
                latest = message
                culprit = b""
    finally:
        child.join()
    if child.exitcode != 0:
        return Found(
            target=target.name, problem=f"the process died: {child.exitcode}", culprit=culprit
        )
    return latest


def _feed(pipe: Connection, target: Target, inputs: int, seconds: float, seed: int) -> None:
    def too_slow(number: int, frame: FrameType | None) -> None:
        raise _TooSlow

    signal.signal(signal.SIGALRM, too_slow)
    chance = random.Random(seed)
    seeds = target.seeds()
    before = _peak_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space_bytes() + MEMORY_BYTES, hard))
    done = refused = 0
    slowest = 0.0
    problem = ""
    began = time.monotonic()
    content = b""
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(inputs):
            if time.monotonic() - began > seconds:
                break
            if number < len(seeds):  # the honest ones first: they must be taken
                content = seeds[number]
            else:
                content = mutated(chance.choice(seeds), chance, others=seeds)
            if target.may_crash:
                pipe.send(content)
            started = time.monotonic()
            try:
                signal.alarm(INPUT_SECONDS)
                target.feed(content, Path(scratch))
            except target.refusals:
                refused += 1
                if number < len(seeds):
                    problem = "an honest input was refused:\n" + traceback.format_exc(limit=3)
            except _TooSlow:
                problem = f"longer than {INPUT_SECONDS} s:\n" + traceback.format_exc(limit=-8)
            except MemoryError:
                problem = f"more than {MEMORY_BYTES >> 20} MiB:\n" + traceback.format_exc(limit=-8)
            except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
                problem = traceback.format_exc()
            finally:
                signal.alarm(0)
            done += 1
            slowest = max(slowest, time.monotonic() - started)
            if problem:
                break
    pipe.send(
        Found(
            target=target.name,
            inputs=done,
            refused=refused,
            slowest_seconds=slowest,
            grown_bytes=_peak_bytes() - before,
            problem=problem,
            culprit=content if problem else b"",
        )
    )
    pipe.close()


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
