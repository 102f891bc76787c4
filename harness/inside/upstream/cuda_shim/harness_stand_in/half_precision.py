"""Products of matrices in bfloat16, on a machine that has no instructions for them.

There they take many times as long as in float32. So they are computed in float32, of the same
rounded numbers, and rounded once: types and sizes stay what the script expects, and what a GPU
computes, which sums in float32 too, is nearer.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]
Special = dict[Any, Callable[[Arguments, Keywords], Any]]

PRODUCTS = (
    *(F.linear, F.scaled_dot_product_attention, F.conv1d, torch.conv1d),
    *(torch.matmul, torch.mm, torch.bmm, torch.addmm, torch.baddbmm, torch.einsum),
    *(torch.Tensor.matmul, torch.Tensor.mm, torch.Tensor.bmm, torch.Tensor.__matmul__),
    *(torch.Tensor.addmm, torch.Tensor.baddbmm),
)


def is_slow() -> bool:
    """Whether this machine lacks instructions for bfloat16."""
    here: Any = torch.cpu
    known = getattr(here, "_is_avx512_bf16_supported", None)
    return not (known is not None and known())


def special() -> Special:
    """For each function, what the mode calls in its place."""
    return {function: _widened(function) for function in PRODUCTS}


def _widened(function: Callable[..., Any]) -> Callable[[Arguments, Keywords], Any]:
    def call(args: Arguments, keywords: Keywords) -> Any:
        cast = _autocast_type()
        kind = cast or _only_type(args)
        if kind != torch.bfloat16 or "out" in keywords:
            return function(*args, **keywords)

        def wide(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return type(value)(wide(inner) for inner in value)
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                return (value.to(kind) if cast else value).float()
            return value

        widened = [wide(value) for value in args]
        named = {name: wide(value) for name, value in keywords.items()}
        if cast is None:
            return function(*widened, **named).to(kind)
        with torch.autocast("cpu", enabled=False):
            return function(*widened, **named).to(kind)

    return call


def _autocast_type() -> torch.dtype | None:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None


def _only_type(values: Any) -> torch.dtype | None:
    """The one floating type of all tensors; None where there are several, as torch refuses them."""
    kinds = set()
    for value in values:
        if isinstance(value, (list, tuple)):
            kinds.add(_only_type(value))
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            kinds.add(value.dtype)
    return kinds.pop() if len(kinds) == 1 else None
