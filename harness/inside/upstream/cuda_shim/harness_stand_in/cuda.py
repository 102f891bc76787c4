"""``torch.cuda``: constants where a constant will do, and one error for what is not there."""

import collections
import functools
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

import torch

from . import devices, streams
from .replacing import NotStoodInForError, around, replace

MEMORY_BYTES = 80 << 30
CAPABILITY = (9, 0)


class Properties:
    """An H100, as far as scripts look."""

    name = "NVIDIA H100 80GB HBM3"
    major, minor = CAPABILITY
    total_memory = MEMORY_BYTES
    multi_processor_count = 132
    warp_size = 32
    max_threads_per_multi_processor = 2048
    max_threads_per_block = 1024
    regs_per_multiprocessor = 65536
    shared_memory_per_block = 48 << 10
    shared_memory_per_block_optin = 227 << 10
    shared_memory_per_multiprocessor = 228 << 10
    L2_cache_size = 50 << 20
    is_integrated = is_multi_gpu_board = 0
    gcnArchName = ""
    uuid = "00000000-0000-0000-0000-000000000000"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(str(NotStoodInForError(f"torch.cuda.get_device_properties().{name}")))

    def __repr__(self) -> str:
        return f"_CudaDeviceProperties(name='{self.name}', a rehearsal's stand-in on a CPU)"


class _Current:
    """Which device a process says it uses."""

    index = 0


def _constant(value: Any) -> Callable[..., Any]:
    return lambda *args, **keywords: value


def _device_count() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE") or 1)


def _set_device(device: Any) -> None:
    found = torch.device(device) if not isinstance(device, int) else None
    _Current.index = (found.index or 0) if found else device


def _seed(seed: int) -> None:
    # The one generator is the GPU's, too.
    torch.default_generator.manual_seed(int(seed))


def _state(device: Any = None) -> Any:
    return torch.get_rng_state()


def _set_state(state: Any, device: Any = None) -> None:
    torch.set_rng_state(state)


_NOTHING = (
    *("empty_cache", "init", "ipc_collect", "reset_accumulated_memory_stats", "synchronize"),
    *("reset_max_memory_allocated", "reset_max_memory_cached", "reset_peak_memory_stats"),
    *("set_per_process_memory_fraction", "set_sync_debug_mode", "set_stream"),
)
_ZERO = (
    *("max_memory_allocated", "max_memory_cached", "max_memory_reserved", "memory_allocated"),
    *("memory_cached", "memory_reserved", "memory_usage", "utilization", "temperature"),
    *("power_draw", "clock_rate", "get_sync_debug_mode", "device_memory_used"),
)
_TABLE: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_NOTHING, _constant(None)),
    **dict.fromkeys(_ZERO, _constant(0)),
    "_is_in_bad_fork": _constant(False),
    "can_device_access_peer": _constant(True),
    "current_blas_handle": _constant(0),
    "current_device": lambda: _Current.index,
    "current_stream": lambda device=None: streams.Stream(device),
    "default_stream": lambda device=None: streams.Stream(device),
    "device_count": _device_count,
    "get_arch_list": lambda: ["sm_90"],
    "get_device_capability": _constant(CAPABILITY),
    "get_device_name": _constant(Properties.name),
    "get_device_properties": lambda device=None: Properties(),
    "get_rng_state": _state,
    "get_rng_state_all": lambda: [_state() for _ in range(_device_count())],
    "initial_seed": torch.initial_seed,
    "is_available": _constant(True),
    "is_bf16_supported": _constant(True),
    "is_tf32_supported": _constant(True),
    "is_current_stream_capturing": _constant(False),
    "is_initialized": _constant(True),
    "list_gpu_processes": _constant("no processes are running"),
    "make_graphed_callables": lambda callables, *args, **keywords: callables,
    "manual_seed": _seed,
    "manual_seed_all": _seed,
    "mem_get_info": _constant((MEMORY_BYTES, MEMORY_BYTES)),
    "memory_snapshot": lambda *args, **keywords: [],
    "memory_stats": lambda device=None: collections.defaultdict(int),
    "memory_stats_as_nested_dict": lambda device=None: {},
    "memory_summary": _constant(""),
    "seed": lambda: _seed(torch.seed()),
    "seed_all": lambda: _seed(torch.seed()),
    "set_device": _set_device,
    "set_rng_state": _set_state,
    "set_rng_state_all": lambda states: _set_state(states[0]),
}


def install() -> None:
    """Put all of it in place; autocast, and flags that a CPU has no use for, with it."""
    cuda: Any = torch.cuda
    for name in dir(cuda):
        found = getattr(cuda, name)
        if inspect.isfunction(found) and not name.startswith("_") and name not in _TABLE:
            setattr(cuda, name, _or_not_stood_in_for(name, found))
    for name, function in _TABLE.items():
        owners = [cuda, *(part for part in (cuda.memory, cuda.random) if hasattr(part, name))]
        for owner in owners:
            replace(owner, name, _own(function))
    for name in ("Stream", "Event", "ExternalStream"):
        setattr(cuda, name, getattr(streams, name))
    for name in ("stream", "StreamContext", "device", "device_of", "_DeviceGuard"):
        setattr(cuda, name, streams.Guard)
    for name in dir(cuda.nvtx):
        if inspect.isfunction(getattr(cuda.nvtx, name)) and name != "range":
            replace(cuda.nvtx, name, _constant(None))
    cuda.nvtx.range = streams.Guard
    for name in ("CUDAGraph", "graph", "MemPool", "GreenContext"):
        replace(cuda, name, _refused(f"torch.cuda.{name}"))
    cuda.__getattr__ = _missing
    cuda._lazy_init = _escaped
    _no_accelerator()
    _autocast()
    # Where the others refuse, this one computes.
    around(torch.backends.cuda, "enable_math_sdp", lambda real: lambda enabled: real(True))


def _own(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of its own for each name: replacing gives it that name."""

    def call(*args: Any, **keywords: Any) -> Any:
        return function(*args, **keywords)

    return call


def _or_not_stood_in_for(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def call(*args: Any, **keywords: Any) -> Any:
        try:
            return real(*args, **keywords)
        except (AssertionError, AttributeError, RuntimeError) as error:
            raise NotStoodInForError(f"torch.cuda.{name}") from error

    return call


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **keywords: Any) -> Any:
        raise NotStoodInForError(name)

    return refuse


def _missing(name: str) -> Any:
    raise AttributeError(str(NotStoodInForError(f"torch.cuda.{name}")))


def _escaped(*args: Any) -> None:
    """In the place of what starts CUDA: something went around the mode, or wants the real thing."""
    caller = sys._getframe(1)
    raise NotStoodInForError(f"{caller.f_globals.get('__name__')}.{caller.f_code.co_name}")


def _no_accelerator() -> None:
    """With a CUDA build, optimizers ask this for streams."""
    accelerator: Any = torch.accelerator
    for name, value in (("is_available", False), ("current_accelerator", None)):
        replace(accelerator, name, _constant(value))
    replace(accelerator, "device_count", _constant(0))
    replace(accelerator, "synchronize", _constant(None))


def _autocast() -> None:
    """Autocast, and what is asked of it, with the CPU's in the place of CUDA's."""
    amp: Any = torch.amp

    def started(real: Callable[..., Any]) -> Callable[..., Any]:
        def init(
            self: Any, device_type: str, dtype: Any = None, *args: Any, **keywords: Any
        ) -> None:
            if devices.is_gpu(device_type):
                device_type, dtype = "cpu", dtype or torch.float16
            real(self, device_type, dtype, *args, **keywords)

        return init

    def scaled(real: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, device: str = "cpu", *args: Any, **keywords: Any) -> None:
            real(self, "cpu", *args, **keywords)

        return init

    def asked(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda device_type="cpu", *args: real(_kind(device_type), *args)

    def named(real: Callable[..., Any]) -> Callable[..., Any]:
        def decorate(function: Any = None, *, device_type: str, **keywords: Any) -> Any:
            return real(function, device_type=_kind(device_type), **keywords)

        return decorate

    around(amp.autocast_mode.autocast, "__init__", started)
    around(amp.grad_scaler.GradScaler, "__init__", scaled)
    for name in ("is_autocast_enabled", "get_autocast_dtype", "set_autocast_dtype"):
        around(torch, name, asked)
    real_set = torch.set_autocast_enabled

    def set_enabled(first: Any, *rest: Any) -> None:
        real_set(*((_kind(first), *rest) if rest else ("cpu", first)))

    replace(torch, "set_autocast_enabled", set_enabled)
    replace(torch, "get_autocast_gpu_dtype", lambda: torch.get_autocast_dtype("cpu"))
    for name in ("custom_fwd", "custom_bwd"):
        for owner in (amp, amp.autocast_mode):
            around(owner, name, named)
        for owner in (torch.cuda.amp, torch.cuda.amp.autocast_mode):
            setattr(owner, name, functools.partial(getattr(amp, name), device_type="cpu"))


def _kind(device_type: str) -> str:
    return "cpu" if devices.is_gpu(device_type) else device_type
