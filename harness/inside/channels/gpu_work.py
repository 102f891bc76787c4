"""Work for a GPU: what it costs of energy, and how fast it is after work or rest.

Never run on a GPU yet.
"""

import functools
import os
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, ParamSpec, TypeVar

from .gpu_driver import NotHereError, energy

_SIDE = 4096
_BURST = 50  # products of a fifth of a millisecond each, on the fastest part of 2024
_TIMES = 20
_HEAT_SECONDS = 0.3  # some 200 J, which no step of the energy is mistaken for
_MOST_SECONDS = 40.0
_STILL_SECONDS = 5.0

Given = ParamSpec("Given")
Told = TypeVar("Told")


def softly(work: Callable[Given, Told]) -> Callable[Given, Told]:
    """Tell what torch and CUDA lack or fail in as a sentence, not as a fault of ours."""

    @functools.wraps(work)
    def doing(*given: Given.args, **named: Given.kwargs) -> Told:
        try:
            return work(*given, **named)
        except (RuntimeError, ImportError) as error:  # CUDA's errors are RuntimeErrors
            raise NotHereError(f"torch on a GPU: {str(error).splitlines()[:1]}"[:300]) from error

    return doing


def cuda() -> Any:
    """torch, with a GPU that answers.

    Raises:
        NotHereError: there is no torch, or it finds no GPU.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the order of the driver's library
    try:
        import torch
    except ImportError as error:
        raise NotHereError(f"there is no torch: {error}") from error
    if not torch.cuda.is_available():
        raise NotHereError("torch finds no GPU")
    return torch


@softly
def devices() -> int:
    """How many GPUs torch finds."""
    return int(cuda().cuda.device_count())


@softly
def product_nanoseconds(places: object) -> int:
    """Nanoseconds of some products of matrices on the first GPU: the median."""
    work = _work()
    work()  # libraries are loaded, and plans made
    took = sorted(_timed(work) for _ in range(_TIMES))
    return took[len(took) // 2]


@softly
def heat(places: object) -> None:
    """Work for a while."""
    work = _work()
    until = perf_counter_ns() + int(_HEAT_SECONDS * 1e9)
    while perf_counter_ns() < until:
        work()


@softly
def spend(millijoules: int, places: object) -> None:
    """Work until the first GPU has used so much more; for no more than forty seconds."""
    work = _work()
    before = last = energy()
    begun = moved = perf_counter_ns()
    while last - before < millijoules:
        work()
        now, value = perf_counter_ns(), energy()
        if value != last:
            last, moved = value, now
        if now - moved > _STILL_SECONDS * 1e9 or now - begun > _MOST_SECONDS * 1e9:
            return


def _work() -> Callable[[], None]:
    """A burst of products that waits for its end."""
    torch = cuda()
    shape = (_SIDE, _SIDE)
    left, right = (torch.randn(shape, device="cuda", dtype=torch.float16) for _ in range(2))
    out = torch.empty(shape, device="cuda", dtype=torch.float16)

    def work() -> None:
        for _ in range(_BURST):
            torch.mm(left, right, out=out)
        torch.cuda.synchronize()

    return work


def _timed(work: Callable[[], None]) -> int:
    begun = perf_counter_ns()
    work()
    return perf_counter_ns() - begun
