"""Measures the speed of a machine, from inside a sandbox: what entries will find there.

Stands alone: it runs where nothing of ours is installed. Prints one line of JSON, figures by name,
each with its unit in it. With several accelerators a figure is that of the slowest.

Usage: ``calibrate.py DEVICES DIRECTORY``; DEVICES is 0 for a machine without accelerators, whose
processor is measured instead.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

_SECONDS = 0.3
_SIDE = {"cpu": 512, "cuda": 8192}
_COPY_BYTES = {"cpu": 64 << 20, "cuda": 1 << 30}
_READ_BYTES = 256 << 20
_CHUNK = 4 << 20
_ADDITIONS = 100_000


def rate(work: Callable[[], object], amount: float, wait: Callable[[], None]) -> float:
    """The most units a second, of repetitions that take ``_SECONDS`` together after a first one."""
    work()
    wait()
    best, until = 0.0, time.perf_counter() + _SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        work()
        wait()
        best = max(best, amount / (time.perf_counter() - began))
    return best


def additions() -> int:
    """A loop that only the interpreter's own speed bounds."""
    total = 0
    for number in range(_ADDITIONS):
        total += number
    return total


def device_figures(torch: Any, name: str) -> dict[str, float]:
    """Products of matrices in the precision of training, and copies, on one device."""
    device = torch.device(name)
    kind = device.type

    def wait() -> None:
        if kind == "cuda":
            torch.cuda.synchronize(device)

    side, size = _SIDE[kind], _COPY_BYTES[kind]
    number = torch.bfloat16 if kind == "cuda" else torch.float32
    left, right = (torch.randn(side, side, device=device).to(number) for _ in range(2))
    product = torch.empty_like(left)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {
        "gemm_gflops": rate(lambda: torch.mm(left, right, out=product), 2 * side**3 / 1e9, wait),
        # Each byte is read and written.
        "copy_gb_per_second": rate(lambda: target.copy_(source), 2 * size / 1e9, wait),
    }


def read_figure(directory: str) -> float:
    """Megabytes a second of the first files there, read in order, none from memory if possible."""
    done, began = 0, time.perf_counter()
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb", buffering=0) as file:
            with contextlib.suppress(OSError):  # not every sandbox allows it
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while done < _READ_BYTES and (piece := file.read(_CHUNK)):
                done += len(piece)
    return done / 1e6 / max(time.perf_counter() - began, 1e-9)


def main(devices: int, directory: str) -> None:
    """Print all figures."""
    figures = {"python_additions_per_second": rate(additions, _ADDITIONS, lambda: None)}
    figures["read_mb_per_second"] = read_figure(directory)
    import torch

    names = [f"cuda:{number}" for number in range(devices)] or ["cpu"]
    each = [device_figures(torch, name) for name in names]
    figures.update({key: min(one[key] for one in each) for key in each[0]})
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
