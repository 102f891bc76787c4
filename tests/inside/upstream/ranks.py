"""What ranks do with each other, as a script for torchrun with two of them; prints ``held``."""

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def main() -> None:
    everything: Any = dist
    rank = int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    dist.init_process_group(backend="nccl", device_id=device)
    assert dist.get_world_size() == torch.cuda.device_count() == 2

    for kind in (torch.float32, torch.bfloat16, torch.float64, torch.int64):
        total = torch.full((3,), rank + 1, device=device, dtype=kind)
        dist.all_reduce(total, op=dist.ReduceOp.SUM)
        assert total.tolist() == [3, 3, 3], kind

    mean = torch.full((2,), float(rank), device=device)
    dist.all_reduce(mean, op=dist.ReduceOp.AVG)
    assert mean.tolist() == [0.5, 0.5]
    later = torch.full((2,), float(rank), device=device)
    work: Any = dist.all_reduce(later, op=dist.ReduceOp.AVG, async_op=True)
    work.wait()
    work.wait()
    assert later.tolist() == [0.5, 0.5]

    for op, expected in ((dist.ReduceOp.SUM, 1.0), (dist.ReduceOp.AVG, 0.5)):
        for kind in (torch.float32, torch.bfloat16):
            part = torch.empty(2, 3, device=device, dtype=kind)
            whole = torch.full((4, 3), float(rank), device=device, dtype=kind)
            work = everything.reduce_scatter_tensor(part, whole, op=op, async_op=True)
            work.wait()
            assert bool((part == expected).all())
            gathered = torch.empty(4, 3, device=device, dtype=kind)
            everything.all_gather_into_tensor(gathered, part, async_op=True).wait()
            assert bool((gathered == expected).all())
    parts = [torch.full((2,), float(rank)) for _ in range(2)]
    one = torch.empty(2)
    dist.reduce_scatter(one, parts, op=dist.ReduceOp.SUM)
    assert one.tolist() == [1, 1]

    told = [rank]
    everything.broadcast_object_list(told, src=0, device=device)
    assert told == [0]
    everything.barrier(device_ids=[rank])
    group: Any = everything.new_group([0, 1], backend="nccl")
    dist.all_reduce(total, group=group)

    torch.manual_seed(rank)
    model = DistributedDataParallel(
        torch.compile(nn.Linear(2, 1).to(device)), device_ids=[rank], broadcast_buffers=False
    )
    model(torch.full((1, 2), float(rank), device=device)).sum().backward()
    weight = next(model.parameters())
    assert weight.grad is not None
    assert weight.grad.tolist() == [[0.5, 0.5]]
    if rank == 0:
        print("held")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
