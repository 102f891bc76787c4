"""Operators that scripts register: for the CPU, with the mode on in their bodies.

A call of such an operator is a call of torch, so the mode is off while the script's own code runs.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.library

from .devices import is_gpu, within
from .replacing import around


def _types(asked: str | Iterable[str] | None) -> Any:
    """Kinds of devices, with the CPU in the place of GPUs."""
    if asked is None:
        return None
    kinds = [asked] if isinstance(asked, str) else list(asked)
    return list(dict.fromkeys("cpu" if is_gpu(kind) else kind for kind in kinds))


def _custom_op(real: Callable[..., Any]) -> Callable[..., Any]:
    def custom_op(name: str, fn: Any = None, /, **keywords: Any) -> Any:
        if "device_types" in keywords:
            keywords["device_types"] = _types(keywords["device_types"])
        if fn is None:
            return lambda body: real(name, within(body), **keywords)
        return real(name, within(fn), **keywords)

    return custom_op


def _register_kernel(real: Callable[..., Any]) -> Callable[..., Any]:
    """A method of an operator, or a function whose first argument is one."""

    def register(op: Any, device_types: Any, func: Any = None, /, **keywords: Any) -> Any:
        kinds = _types(device_types)
        if func is None:
            return lambda body: real(op, kinds, **keywords)(within(body))
        return real(op, kinds, within(func), **keywords)

    return register


def _register_autograd(real: Callable[..., Any]) -> Callable[..., Any]:
    """Its backward runs in the engine, which has the mode on; its setup in the call."""

    def register(op: Any, backward: Any, /, *, setup_context: Any = None, **keywords: Any) -> Any:
        setup = within(setup_context) if setup_context is not None else None
        return real(op, backward, setup_context=setup, **keywords)

    return register


def _impl(real: Callable[..., Any]) -> Callable[..., Any]:
    def impl(self: Any, op_name: Any, fn: Any, dispatch_key: str = "", **keywords: Any) -> Any:
        if not callable(fn) or str(fn.__module__).split(".")[0] == "torch":
            return real(self, op_name, fn, dispatch_key, **keywords)
        return real(self, op_name, within(fn), dispatch_key.replace("CUDA", "CPU"), **keywords)

    return impl


def _library_impl(real: Callable[..., Any]) -> Callable[..., Any]:
    def impl(qualname: Any, types: Any, func: Any = None, **keywords: Any) -> Any:
        if not isinstance(qualname, str):  # an older form, through Library.impl
            return real(qualname, types, func, **keywords)
        kinds = _types(types)
        if func is None:
            return lambda body: real(qualname, kinds, **keywords)(within(body))
        return real(qualname, kinds, within(func), **keywords)

    return impl


def install() -> None:
    """Wrap what registers."""
    library: Any = torch.library
    around(library, "custom_op", _custom_op)
    around(library, "triton_op", _custom_op)
    around(library, "register_kernel", _register_kernel)
    around(library, "register_autograd", _register_autograd)
    around(library, "impl", _library_impl)
    around(library.Library, "impl", _impl)
    around(library.CustomOpDef, "register_kernel", _register_kernel)
    around(library.CustomOpDef, "register_autograd", _register_autograd)
