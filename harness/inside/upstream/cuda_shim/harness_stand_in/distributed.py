"""Process groups over gloo in the place of NCCL, with the reductions that gloo lacks."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed
import torch.nn.parallel.distributed

from .devices import on_cpu
from .replacing import around, replace


class _Divided:
    """Work under way whose result is a sum, of which the mean is wanted."""

    def __init__(self, work: Any, finish: Callable[[], None]) -> None:
        self._work = work
        self._finish: Callable[[], None] | None = finish

    def wait(self, *timeout: Any) -> Any:
        """Wait for the work, then finish it; once."""
        done = self._work.wait(*timeout) if self._work is not None else True
        if self._finish is not None:
            self._finish()
            self._finish = None
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)


def _averaged(real: Callable[..., Any]) -> Callable[..., Any]:
    """``all_reduce`` and ``reduce``: a mean is a sum and a division."""
    distributed: Any = torch.distributed

    def reduce(tensor: Any, *args: Any, **keywords: Any) -> Any:
        named = keywords.get("op") == distributed.ReduceOp.AVG
        if not named and distributed.ReduceOp.AVG not in args:
            return real(tensor, *args, **keywords)
        args = tuple(distributed.ReduceOp.SUM if a == distributed.ReduceOp.AVG else a for a in args)
        if named:
            keywords["op"] = distributed.ReduceOp.SUM
        work = real(tensor, *args, **keywords)
        size = distributed.get_world_size(keywords.get("group"))

        def divide() -> None:
            with torch.no_grad():
                tensor.div_(size)

        if work is None:
            divide()
            return None
        return _Divided(work, divide)

    return reduce


def _reduce_scatter(flat: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        distributed: Any = torch.distributed

        def reduce_scatter(
            output: Any, input: Any, op: Any = None, group: Any = None, async_op: bool = False
        ) -> Any:
            whole = (input if flat else torch.stack([*input])).detach().clone()
            work = distributed.all_reduce(
                whole, op=op or distributed.ReduceOp.SUM, group=group, async_op=async_op
            )

            def take() -> None:
                parts = whole.view(distributed.get_world_size(group), *output.shape)
                with torch.no_grad():
                    output.copy_(parts[distributed.get_rank(group)])

            if not async_op:
                take()
                return None
            return _Divided(work, take)

        return reduce_scatter

    return make


def _gloo(real: Callable[..., Any]) -> Callable[..., Any]:
    def init_process_group(backend: Any = None, *args: Any, **keywords: Any) -> Any:
        for name in ("device_id", "pg_options"):
            keywords.pop(name, None)
        return real("gloo", *args, **keywords)

    return init_process_group


def _gloo_group(real: Callable[..., Any]) -> Callable[..., Any]:
    def new_group(*args: Any, **keywords: Any) -> Any:
        for name in ("device_id", "pg_options"):
            keywords.pop(name, None)
        if "backend" in keywords:
            keywords["backend"] = "gloo"
        args = tuple("gloo" if argument == "nccl" else argument for argument in args)
        return real(*args, **keywords)

    return new_group


def _without_devices(real: Callable[..., Any]) -> Callable[..., Any]:
    def init(
        self: Any,
        module: Any,
        device_ids: Any = None,
        output_device: Any = None,
        *args: Any,
        **kw: Any,
    ) -> None:
        # Of a graph that was not compiled, one that is called static may not be synchronised in
        # its last pass alone. Parameters that are not used are why it is called so.
        if kw.pop("static_graph", False):
            kw["find_unused_parameters"] = True
        real(self, module, None, None, *args, **kw)

    return init


def _objects(real: Callable[..., Any]) -> Callable[..., Any]:
    def objects(*args: Any, **keywords: Any) -> Any:
        if "device" in keywords:
            keywords["device"] = on_cpu(keywords["device"])
        return real(*args, **keywords)

    return objects


def _barrier(real: Callable[..., Any]) -> Callable[..., Any]:
    def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Any:
        return real(group=group, async_op=async_op)

    return barrier


def _mesh(real: Callable[..., Any]) -> Callable[..., Any]:
    def mesh(device_type: str, *args: Any, **keywords: Any) -> Any:
        return real("cpu", *args, **keywords)

    return mesh


def install() -> None:
    """Wrap what makes groups, and what reduces. A script may have imported DDP's class already."""
    distributed: Any = torch.distributed
    if not distributed.is_available():
        return
    wraps = {
        "init_process_group": _gloo,
        "new_group": _gloo_group,
        "all_reduce": _averaged,
        "reduce": _averaged,
        "reduce_scatter_tensor": _reduce_scatter(True),
        "reduce_scatter_single": _reduce_scatter(True),
        "_reduce_scatter_base": _reduce_scatter(True),
        "reduce_scatter": _reduce_scatter(False),
        "broadcast_object_list": _objects,
        "barrier": _barrier,
        "init_device_mesh": _mesh,
        "is_nccl_available": lambda real: lambda: True,
    }
    for name, make in wraps.items():
        if hasattr(distributed, name):
            around(distributed, name, make)
            if hasattr(distributed.distributed_c10d, name):
                setattr(distributed.distributed_c10d, name, getattr(distributed, name))
    around(torch.nn.parallel.distributed.DistributedDataParallel, "__init__", _without_devices)
    replace(distributed, "is_backend_available", lambda backend: True)
    # Where torch was built without NCCL, it looks for its groups by a name that is not there.
    if not hasattr(distributed.distributed_c10d, "ProcessGroupNCCL"):
        distributed.distributed_c10d.ProcessGroupNCCL = type("ProcessGroupNCCL", (), {})
