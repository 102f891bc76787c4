"""GPUs: memory that a driver does not clear, and figures that it shows to everybody.

Written without a GPU at hand: nothing here has been run yet. Who measures says so.
"""

import subprocess
from time import perf_counter_ns

from .bits import as_hex

BLOCK = 2 << 20  # bytes a bit
_FIGURES = (
    "memory.used,temperature.gpu,power.draw,clocks.sm,clocks.mem,fan.speed,utilization.gpu,"
    "ecc.errors.corrected.aggregate.total,ecc.errors.uncorrected.aggregate.total,"
    "retired_pages.sbe,pstate"
)


def send(bits: list[int]) -> dict[str, object]:
    """Fill a block of memory for each bit: with ones, or with zeros."""
    import torch

    begun = perf_counter_ns()
    blocks = [torch.full((BLOCK,), 255 * bit, dtype=torch.uint8, device="cuda") for bit in bits]
    torch.cuda.synchronize()
    return {"seconds": (perf_counter_ns() - begun) / 1e9, "placed": len(blocks)}


def receive(count: int) -> dict[str, object]:
    """Take blocks without clearing them, and see what is in them.

    Their order need not be the sender's: this finds memory that was never cleared, and does not
    try to put it in order.
    """
    import torch

    begun = perf_counter_ns()
    blocks = [torch.empty((BLOCK,), dtype=torch.uint8, device="cuda") for _ in range(count)]
    guess = [int(block.float().mean().item() > 127) for block in blocks]
    seconds = (perf_counter_ns() - begun) / 1e9
    return {"guess": as_hex(guess), "seconds": seconds, "known_wrong": 0.0, "known": 0}


def figures() -> dict[str, object]:
    """How many figures of the driver can be read."""
    begun = perf_counter_ns()
    try:
        done = subprocess.run(
            [
                "/usr/bin/env",
                "nvidia-smi",
                f"--query-gpu={_FIGURES}",
                "--format=csv,noheader,nounits",
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        values = sum(
            text.strip() not in ("", "[N/A]", "[Not Supported]")
            for line in done.stdout.splitlines()
            for text in line.split(",")
        )
    except (OSError, subprocess.TimeoutExpired):
        values = 0
    return {"seconds": (perf_counter_ns() - begun) / 1e9, "values": values}
