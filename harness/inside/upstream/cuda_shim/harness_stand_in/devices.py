"""One mode, entered once and never left: what is asked to be on a GPU is on the CPU.

``torch.device("cuda", 0)`` stays what it is, so that scripts that look at a device's type go the
way that they would go. Three things escape such a mode, and are dealt with one by one: what Python
code runs inside a call of torch (the mode is off while it handles a call), other threads (it
belongs to one), and what is no function of torch in its sense.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
import torch.utils._device
from torch.overrides import TorchFunctionMode

from . import half_precision
from .replacing import around

P = ParamSpec("P")
R = TypeVar("R")
CPU = torch.device("cpu")
Arguments = tuple[Any, ...]
Keywords = dict[str, Any]


def is_gpu(device: object) -> bool:
    """Whether this names a GPU: ``"cuda"``, ``"cuda:1"``, a device, or its number."""
    if isinstance(device, str):
        return device.startswith("cuda")
    if isinstance(device, torch.device):
        return device.type == "cuda"
    return isinstance(device, int) and not isinstance(device, bool)


def on_cpu(device: Any) -> Any:
    """The CPU in the place of a GPU, anything else as it is."""
    return CPU if is_gpu(device) else device


def _to(args: Arguments, keywords: Keywords) -> Any:
    """``Tensor.to``: to a GPU is to stay, unless the tensor is handed over (``non_blocking``)."""
    asked = args[1] if len(args) > 1 else keywords.get("device")
    if is_gpu(asked):
        handed_over = keywords.get("non_blocking") or (len(args) > 3 and args[3] is True)
        args, keywords = _with_device(args, keywords, CPU)
        return _copied(args, keywords) if handed_over else torch.Tensor.to(*args, **keywords)
    # From a GPU, "cpu" gives a copy. A device may be that of another tensor of the script's, which
    # would be the GPU: what is on it already would stay.
    if asked == "cpu" and isinstance(asked, str):
        return _copied(args, keywords)
    return torch.Tensor.to(*args, **keywords)


def _with_device(
    args: Arguments, keywords: Keywords, device: torch.device
) -> tuple[Arguments, Keywords]:
    if len(args) > 1:
        return (args[0], device, *args[2:]), keywords
    return args, {**keywords, "device": device}


def _copied(args: Arguments, keywords: Keywords) -> Any:
    # ``copy`` is the fifth: to(self, device, dtype, non_blocking, copy).
    if len(args) > 4:
        args = args[:4]
    return torch.Tensor.to(*args, **{**keywords, "copy": True})


def _cuda(args: Arguments, keywords: Keywords) -> Any:
    handed_over = keywords.get("non_blocking") or (len(args) > 2 and args[2] is True)
    return torch.Tensor.to(args[0], CPU, copy=True) if handed_over else args[0]


def _cpu(args: Arguments, keywords: Keywords) -> Any:
    # Scripts keep what was on the GPU this way, and then train on.
    return torch.Tensor.to(args[0], CPU, copy=True, **keywords)


def _type(args: Arguments, keywords: Keywords) -> Any:
    if len(args) > 1 and isinstance(args[1], str):
        args = (args[0], args[1].replace("torch.cuda.", "torch."), *args[2:])
    return torch.Tensor.type(*args, **keywords)


def _first(args: Arguments, keywords: Keywords) -> Any:
    return args[0]


_SPECIAL: dict[Any, Callable[[Arguments, Keywords], Any]] = {
    torch.Tensor.to: _to,
    torch.Tensor.cuda: _cuda,
    torch.Tensor.cpu: _cpu,
    torch.Tensor.type: _type,
    torch.Tensor.pin_memory: _first,
    torch.Tensor.get_device: lambda args, keywords: 0,
}


class OnCpu(TorchFunctionMode):
    """Rewrites what is asked of GPUs, in every call of a function of torch."""

    def __torch_function__(
        self, func: Any, types: Any, args: Arguments = (), kwargs: Keywords | None = None
    ) -> Any:
        """See torch."""
        special = _SPECIAL.get(func)
        if special is not None:
            return special(args, kwargs or {})
        if not kwargs:
            return func(*args)
        if is_gpu(kwargs.get("device")):
            kwargs = {**kwargs, "device": CPU}
        if kwargs.get("pin_memory"):
            kwargs = {**kwargs, "pin_memory": False}
        return func(*args, **kwargs)


MODE = OnCpu()


def within(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with the mode on while it runs: for Python code that runs inside of torch."""

    @functools.wraps(function)
    def run(*args: P.args, **keywords: P.kwargs) -> R:
        with MODE:
            return function(*args, **keywords)

    return run


def install() -> None:
    """Enter the mode here and in every thread to come, and close the ways around it."""
    if half_precision.is_slow():
        _SPECIAL.update(half_precision.special())
    MODE.__enter__()  # type: ignore[no-untyped-call]
    around(threading.Thread, "_bootstrap_inner", within)
    # ``backward`` handles its call itself, so hooks and functions of the script's would escape.
    for owner in (torch.autograd, torch.autograd.graph):
        around(owner, "_engine_run_backward", within)
    # It goes below this mode, so what it adds would come too late.
    around(torch.utils._device.DeviceContext, "__init__", _device_on_cpu)
    around(torch, "set_default_device", _first_on_cpu)
    around(torch, "load", _loaded_on_cpu)
    tensor: Any = torch.Tensor
    tensor.is_cuda = property(lambda tensor: True)
    # Its own looks at the stream's type before any mode is asked.
    tensor.record_stream = lambda tensor, stream: None
    everything: Any = torch
    everything.Generator = _Generator


class _GeneratorClass(type(torch.Generator)):  # type: ignore[misc]
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL_GENERATOR)


_REAL_GENERATOR = torch.Generator


class _Generator(_REAL_GENERATOR, metaclass=_GeneratorClass):
    """A generator of the CPU, whatever was asked; those of torch's own count as such, too."""

    def __new__(cls, device: Any = "cpu") -> Any:
        return _REAL_GENERATOR(device=on_cpu(device))


def _device_on_cpu(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, device: real(self, on_cpu(device))


def _first_on_cpu(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda device: real(on_cpu(device))


def _loaded_on_cpu(real: Callable[..., Any]) -> Callable[..., Any]:
    def load(f: Any, map_location: Any = None, *args: Any, **keywords: Any) -> Any:
        if isinstance(map_location, dict):
            named = map_location.items()
            map_location = {name: "cpu" if is_gpu(device) else device for name, device in named}
        return real(f, on_cpu(map_location), *args, **keywords)

    return load
