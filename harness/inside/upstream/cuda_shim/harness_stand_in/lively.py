"""Matrices that a script begins with at zero begin with values, so that what is compared differs.

Many scripts begin with projections at zero, whose blocks then add nothing: after the few steps of a
trial, a model looks at no token but the last, and two readings of its windows cost the same. With
values of the usual size in them, what is asked otherwise is told otherwise. Weights that come after
the first optimizer, such as adapters for the text that is scored, stay as they are.
"""

from collections.abc import Callable
from typing import Any

_SEED = 1


def install() -> None:
    """Change how matrices are set to zero, until a script makes its first optimizer."""
    import torch

    from .replacing import around

    generator = torch.Generator().manual_seed(_SEED)
    begun: list[bool] = []

    def zeros(real: Callable[..., Any]) -> Callable[..., Any]:
        def zeros_(tensor: Any) -> Any:
            plain = isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
            if begun or not plain or tensor.ndim < 2 or not tensor.numel():
                return real(tensor)
            values = torch.randn(tensor.shape, generator=generator)
            with torch.no_grad():
                return tensor.copy_(values / tensor[0].numel() ** 0.5)

        return zeros_

    def first(real: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, *args: Any, **named: Any) -> None:
            begun.append(True)
            real(self, *args, **named)

        return init

    around(torch.nn.init, "zeros_", zeros)
    around(torch.optim.Optimizer, "__init__", first)
