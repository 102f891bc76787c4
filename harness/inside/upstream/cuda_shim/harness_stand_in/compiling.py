"""``torch.compile`` leaves what it is given as it is; ``inference_mode`` is ``no_grad``.

Left real, the compiler asks for properties of the device, and stops. Tensors that are made in
inference mode can never enter learning; compiled programs make theirs elsewhere, eager ones do not.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.attention

from . import imports
from .replacing import around, replace


class Compiled(torch.nn.Module):
    """What a compiled module looks like: the module is ``_orig_mod``, and everything is its."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._modules["_orig_mod"] = module

    def forward(self, *args: Any, **keywords: Any) -> Any:
        """Call it."""
        return self._modules["_orig_mod"](*args, **keywords)  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__["_modules"]["_orig_mod"]
        return module if name == "_orig_mod" else getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        modules = self.__dict__.get("_modules", {})
        if "_orig_mod" in modules and name not in ("training", *self.__dict__):
            setattr(modules["_orig_mod"], name, value)
        else:
            super().__setattr__(name, value)


def _compile(model: Any = None, **settings: Any) -> Any:
    if model is None:
        return _compile
    return Compiled(model) if isinstance(model, torch.nn.Module) else model


def _inference_mode(mode: Any = True) -> Any:
    if callable(mode):
        return torch.no_grad()(mode)
    return torch.no_grad() if mode else torch.set_grad_enabled(torch.is_grad_enabled())


def _any_kernel(real: Callable[..., Any]) -> Callable[..., Any]:
    """``sdpa_kernel``: a kernel that a CPU has not may be the only one that is asked for."""

    @contextlib.contextmanager
    def sdpa_kernel(*args: Any, **keywords: Any) -> Iterator[None]:
        yield

    return sdpa_kernel


def _flex_attention() -> None:
    """Eager, it can learn on a CPU as well; only its compiled form cannot, and so it refuses."""
    module: Any = sys.modules["torch.nn.attention.flex_attention"]
    replace(module, "_validate_device", lambda query, key, value: None)


def install() -> None:
    """Put them in place."""
    imports.after("torch.nn.attention.flex_attention", _flex_attention)
    replace(torch, "compile", _compile)
    replace(torch, "inference_mode", _inference_mode)
    around(torch.nn.attention, "sdpa_kernel", _any_kernel)
    around(torch.backends.cuda, "sdp_kernel", _any_kernel)
    # A mark between replays of a compiled program; it would import the compiler.
    replace(torch.compiler, "cudagraph_mark_step_begin", lambda: None)
