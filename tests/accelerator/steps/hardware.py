"""Calibration and telemetry: how fast and steady this machine is, how often it may be asked."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from tests.accelerator.desk import Desk
from tests.accelerator.watch import Watch

_WARM = 3


def run(desk: Desk) -> None:
    """Products of matrices, copies, and both telemetries while the device is busy."""
    size, device = desk.size, torch.device(desk.device)
    side = size.tensor
    kind = torch.bfloat16 if desk.cuda else torch.float32
    left = torch.randn(side, side, device=device, dtype=kind)
    right = torch.randn(side, side, device=device, dtype=kind)
    each = 10 if desk.cuda else 2
    # Kept busy before it is timed: clocks start low, and what is hot later is not so yet.
    _busy(desk, left, right, seconds=min(2.0, size.watch_seconds))
    seconds = [_timed(lambda: left @ right, desk, each) for _ in range(size.repeats)]
    desk.tell("product", f"{side} x {side}, {str(kind).removeprefix('torch.')}")
    desk.tell("product_tflops", spread([2 * side**3 / s / 1e12 for s in seconds]))
    count = size.block_mib * 2**20 // 4
    block = torch.ones(count, device=device)
    target = torch.empty_like(block)
    seconds = [_timed(lambda: target.copy_(block), desk, each) for _ in range(size.repeats)]
    desk.tell("copy_gb_a_second", spread([8 * count / s / 1e9 for s in seconds]))
    if desk.cuda:
        _host_copies(desk, block)
    else:
        desk.cannot("copies between host and device", "there is no GPU")
    with Watch(desk.devices) as watch:
        _busy(desk, left, right, seconds=size.watch_seconds)
    desk.tell("watched", watch.figures)
    _telemetry(desk, left, right)


def _host_copies(desk: Desk, block: torch.Tensor) -> None:
    part = block[: min(len(block), 64 << 20)]  # 256 MiB: what a request's logits are
    gigabytes = 4 * len(part) / 1e9
    for name, host in (
        ("pageable", torch.empty(len(part))),
        ("pinned", torch.empty(len(part), pin_memory=True)),
    ):
        host.fill_(0)
        work = partial(host.copy_, part)
        seconds = [_timed(work, desk, 1) for _ in range(desk.size.repeats)]
        desk.tell(f"to_host_{name}_gb_a_second", spread([gigabytes / s for s in seconds]))


def _telemetry(desk: Desk, left: torch.Tensor, right: torch.Tensor) -> None:
    """The harness's own, at its usual rate and at five a second."""
    if not desk.devices:
        desk.cannot("telemetry at 5 Hz, reasons for lower clocks", "there is no GPU")
        return
    try:
        from harness.hardware.telemetry import Telemetry
    except ModuleNotFoundError as error:
        desk.cannot("the harness's own telemetry", f"the package {error.name} is missing")
        return
    for interval in (2.0, 0.2):
        with Telemetry(desk.devices, interval_seconds=interval) as telemetry:
            began = time.monotonic()
            _busy(desk, left, right, seconds=desk.size.watch_seconds)
            spent = time.monotonic() - began
        facts = telemetry.facts
        found: dict[str, Any] = {"samples": facts.samples, "hertz": round(facts.samples / spent, 2)}
        found |= {"slowdowns": list(facts.slowdowns), "clock_mhz": facts.lowest_sm_clock_mhz}
        found |= {"foreign_processes": facts.foreign_processes}
        desk.tell(f"telemetry every {interval:g} s", found)


def _busy(desk: Desk, left: torch.Tensor, right: torch.Tensor, *, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for _ in range(10 if desk.cuda else 1):
            left @ right
        _wait(desk)


def _wait(desk: Desk) -> None:
    if desk.cuda:
        torch.cuda.synchronize()


def _timed(work: Callable[[], Any], desk: Desk, each: int) -> float:
    """Seconds of one, the mean of several."""
    work()
    _wait(desk)
    began = time.perf_counter()
    for _ in range(each):
        work()
    _wait(desk)
    return (time.perf_counter() - began) / each


def spread(values: list[float]) -> dict[str, float]:
    """Median, extremes and relative deviation of repeated figures."""
    median = statistics.median(values)
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {
        "median": _short(median),
        "least": _short(min(values)),
        "most": _short(max(values)),
        "sd_percent": _short(100 * deviation / median),
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
