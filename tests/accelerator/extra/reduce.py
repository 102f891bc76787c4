"""All ranks add up one tensor: does the library start here, and how fast is it?

Started by torchrun. Rank 0 prints one line of JSON.
"""

import json
import os
import sys
import time

import torch
import torch.distributed as dist


def main() -> None:
    """Join, reduce a few times, tell."""
    backend, mib = sys.argv[1], int(sys.argv[2])
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    device = torch.device("cpu")
    if backend == "nccl":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    began = time.monotonic()
    dist.init_process_group(backend, device_id=device if backend == "nccl" else None)
    values = torch.full((mib << 18,), float(rank), device=device)
    dist.all_reduce(values)
    right = float(values[0]) == world * (world - 1) / 2
    started = time.monotonic() - began
    taken = []
    for _ in range(5):
        began = time.monotonic()
        dist.all_reduce(values)
        values.mul_(0)
        values[0].item()
        taken.append(time.monotonic() - began)
    if rank == 0:
        told = {"backend": backend, "ranks": world, "mib": mib, "right": right}
        told |= {"start_seconds": round(started, 3), "milliseconds": round(1000 * min(taken), 3)}
        print(json.dumps(told), flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
