"""Measures the speed of a machine, from inside a sandbox: what entries will find there.

Stands alone: it runs where nothing of ours is installed. Prints one line of JSON, figures by name,
each with its unit in it. With several accelerators all are measured at once, each by a process of
its own, as they train; a figure is that of the slowest.

Usage: ``calibrate.py DEVICES DIRECTORY``; DEVICES is 0 for a machine without accelerators, whose
processor is measured instead.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

_SECONDS = 0.3
_SIDE = {"cpu": 512, "cuda": 8192}
_COPY_BYTES = {"cpu": 64 << 20, "cuda": 1 << 30}
_READ_BYTES = 256 << 20
_CHUNK = 4 << 20
_ADDITIONS = 100_000
_REDUCED_BYTES = {"cpu": 16 << 20, "cuda": 256 << 20}
_REDUCTIONS = {"cpu": 6, "cuda": 30}

Figures = dict[str, float]


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


def device_figures(torch: Any, device: Any) -> Figures:
    """Products of matrices in the precision of training, and copies, on one device."""
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


def all_reduce_figure(torch: Any, device: Any, *, rank: int, ranks: int, place: str) -> float:
    """Gigabytes a second on the wire of each device, where all of them add up what each holds.

    As NVIDIA's nccl-tests say it (bus bandwidth): what a device must send at least, twice all but
    its own share, over the time. So it is that of the links, however many devices there are.
    """
    import torch.distributed as group

    for library in ("GLOO", "NCCL"):
        os.environ[f"{library}_SOCKET_IFNAME"] = "lo"  # the one that a sandbox has
    kind = device.type
    group.init_process_group(
        {"cpu": "gloo", "cuda": "nccl"}[kind],
        init_method=f"file://{place}",
        rank=rank,
        world_size=ranks,
    )
    number = torch.bfloat16 if kind == "cuda" else torch.float32
    held = torch.zeros(_REDUCED_BYTES[kind] // number.itemsize, dtype=number, device=device)
    sent = 2 * (ranks - 1) / ranks * held.nbytes / 1e9
    best = 0.0
    for _ in range(_REDUCTIONS[kind]):  # as often in each: nobody may wait for who has ended
        began = time.perf_counter()
        group.all_reduce(held)
        if kind == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, sent / (time.perf_counter() - began))
    return best


def figures_of_rank(torch: Any, devices: int, *, rank: int, ranks: int, place: str) -> Figures:
    """What one process measures: its own device, if there are any, and the way to the others."""
    found: Figures = {}
    device = torch.device(f"cuda:{rank}" if devices else "cpu")
    if devices:
        torch.cuda.set_device(device)
        found |= device_figures(torch, device)
    else:
        torch.set_num_threads(1)
    if ranks > 1:
        figure = all_reduce_figure(torch, device, rank=rank, ranks=ranks, place=place)
        found["all_reduce_gb_per_second"] = figure
    return found


def of_all_ranks(torch: Any, devices: int) -> Figures:
    """The lowest figures of a process for each device; without any, two share the processor.

    They are forks of this one, which has imported torch and started nothing of it yet.
    """
    ranks = devices or 2
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "group")
        pipes, running = [], set()
        for rank in range(ranks):
            reads, writes = os.pipe()
            if (child := os.fork()) == 0:
                share = {"rank": rank, "ranks": ranks}
                _child(partial(figures_of_rank, torch, devices, **share, place=place), writes)
            os.close(writes)
            pipes.append(reads)
            running.add(child)
        while running:
            child, status = os.wait()  # what they tell fits into a pipe
            running.discard(child)
            if status:
                for other in running:  # it would wait for the one that failed
                    os.kill(other, signal.SIGKILL)
                sys.exit("a process ended without a figure")
        each = [json.loads(_read_all(reads)) for reads in pipes]
    return {key: min(one[key] for one in each) for key in each[0]}


def _child(measure: Callable[[], Figures], writes: int) -> NoReturn:
    try:
        os.write(writes, json.dumps(measure()).encode())
        status = 0
    except BaseException:  # noqa: BLE001 - told in the log, and by the status
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    # Without an end in order: members of a group wait for each other there.
    os._exit(status)


def _read_all(reads: int) -> bytes:
    with os.fdopen(reads, "rb") as file:
        return file.read()


def main(devices: int, directory: str) -> None:
    """Print all figures."""
    figures = {"python_additions_per_second": rate(additions, _ADDITIONS, lambda: None)}
    figures["read_mb_per_second"] = read_figure(directory)
    import torch

    figures |= of_all_ranks(torch, devices)
    if not devices:
        figures |= device_figures(torch, torch.device("cpu"))
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
