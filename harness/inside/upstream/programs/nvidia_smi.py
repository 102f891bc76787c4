"""Stands in for nvidia-smi: scripts print what it says, and some ask it for single figures."""

import os
import sys

KNOWN = {
    "name": "NVIDIA H100 80GB HBM3",
    "memory.total": "81559 MiB",
    "memory.used": "0 MiB",
    "memory.free": "81559 MiB",
    "driver_version": "000.00",
    "utilization.gpu": "0 %",
    "temperature.gpu": "0",
    "power.draw": "0.00 W",
    "count": "1",
}


def main(arguments: list[str]) -> None:
    """Print a line a device, or the fields that ``--query-gpu=`` names."""
    asked = [text.partition("=")[2] for text in arguments if text.startswith("--query-gpu=")]
    devices = int(os.environ.get("LOCAL_WORLD_SIZE") or 1)
    for index in range(devices):
        if asked:
            fields = KNOWN | {"index": str(index)}
            print(", ".join(fields.get(name.strip(), "[N/A]") for name in asked[0].split(",")))
        else:
            print(f"GPU {index}: none; a rehearsal on a CPU stands in for CUDA")


if __name__ == "__main__":
    main(sys.argv[1:])
