"""Triton's kernels through its interpreter, with numbers in bfloat16 that can be reckoned with.

The interpreter keeps bfloat16 as a pattern of bits, on which numpy's arithmetic makes no sense.
Here they are float32 that lie on bfloat16's grid, and patterns in memory alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .replacing import NotStoodInForError, around

Array = npt.NDArray[Any]


def rounded(values: Array) -> Array:
    """The nearest numbers of bfloat16, ties to even, as float32."""
    return widened(narrowed(values))


def narrowed(values: Array) -> Array:
    """Their patterns in bfloat16, as uint16."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    bits = values.view(np.uint32)
    to_even = ((bits >> np.uint32(16)) & np.uint32(1)) + np.uint32(0x7FFF)
    # What is no number stays none: with its last bits gone it could look like infinity.
    safe = np.where(np.isnan(values), np.uint32(0x7FC00000), bits + to_even)
    return (safe >> np.uint32(16)).astype(np.uint16)


def widened(patterns: Array) -> Array:
    """What patterns in bfloat16 say, as float32."""
    return (patterns.astype(np.uint32) << np.uint32(16)).view(np.float32)


def install() -> None:  # noqa: PLR0915 - one change of one type, in many small functions
    """Change the interpreter's handling of this one type."""
    import triton.language as tl
    from triton.runtime import interpreter

    bfloat16 = tl.bfloat16
    handle_class: Any = interpreter.TensorHandle
    builder: Any = interpreter.InterpreterBuilder

    def numpy_type(real: Callable[..., Any]) -> Callable[..., Any]:
        def find(kind: Any) -> Any:
            return np.dtype(np.float32) if _element(kind) is bfloat16 else real(kind)

        return find

    def _element(kind: Any) -> Any:
        found = kind.element_ty if isinstance(kind, tl.block_type) else kind
        return bfloat16 if found == bfloat16 else found

    def size_fits(real: Callable[..., Any]) -> Callable[..., Any]:
        def fits(array: Any, kind: Any) -> bool:
            return bool(kind.scalar == bfloat16 or real(array, kind))

        return fits

    def checked(real: Callable[..., Any]) -> Callable[..., Any]:
        def post_init(self: Any) -> None:
            real(self)
            # Pointers are numbers of their own, and comparisons are true or false.
            if self.dtype == bfloat16 and self.data.dtype in (np.float32, np.float64, np.float16):
                self.data = rounded(self.data)

        return post_init

    def load(real: Callable[..., Any]) -> Callable[..., Any]:
        # What follows is about caches, and other versions of Triton name other things of it.
        def masked_load(
            self: Any, ptrs: Any, mask: Any, other: Any = None, *caches: Any, **named: Any
        ) -> Any:
            if ptrs.get_element_ty() != bfloat16:
                return real(self, ptrs, mask, other, *caches, **named)
            patterns = np.zeros_like(ptrs.data, dtype=np.uint16)
            if other is not None:
                patterns[...] = narrowed(other.data)
            found = interpreter._interpreter.load(ptrs.data, mask.data, patterns, patterns.dtype)
            return handle_class(widened(found), bfloat16)

        return masked_load

    def store(real: Callable[..., Any]) -> Callable[..., Any]:
        def masked_store(
            self: Any, ptrs: Any, value: Any, mask: Any, *caches: Any, **named: Any
        ) -> Any:
            if ptrs.get_element_ty() != bfloat16:
                return real(self, ptrs, value, mask, *caches, **named)
            return interpreter._interpreter.store(ptrs.data, narrowed(value.data), mask.data)

        return masked_store

    def cast(real: Callable[..., Any]) -> Callable[..., Any]:
        def cast_impl(self: Any, src: Any, kind: Any) -> Any:
            if bfloat16 not in (src.dtype.scalar, kind.scalar):
                return real(self, src, kind)
            # On the way from the grid nothing is lost; onto it, the new handle rounds.
            return handle_class(src.data.astype(interpreter._get_np_dtype(kind)), kind.scalar)

        return cast_impl

    def convert(real: Callable[..., Any]) -> Callable[..., Any]:
        def fp_to_fp(self: Any, src: Any, kind: Any, rounding_mode: Any) -> Any:
            if src.dtype.scalar == bfloat16:
                src = handle_class(src.data, tl.float32)
            if kind.scalar == bfloat16:
                if src.dtype.scalar != tl.float32:
                    src = real(self, src, tl.float32, rounding_mode)
                return handle_class(src.data, bfloat16)
            if kind.scalar == tl.float32 and src.dtype.scalar == tl.float32:
                return src
            return real(self, src, kind, rounding_mode)

        return fp_to_fp

    def bitcast(real: Callable[..., Any]) -> Callable[..., Any]:
        def create_bitcast(self: Any, src: Any, kind: Any) -> Any:
            if src.dtype.scalar == bfloat16:
                src = handle_class(narrowed(src.data), tl.uint16)
            if kind.scalar == bfloat16:
                return handle_class(widened(src.data.view(np.uint16)), bfloat16)
            return real(self, src, kind)

        return create_bitcast

    def absolute(real: Callable[..., Any]) -> Callable[..., Any]:
        def fabs(self: Any, arg: Any) -> Any:
            if arg.dtype.scalar == bfloat16:
                return handle_class(np.abs(arg.data), bfloat16)
            return real(self, arg)

        return fabs

    def atomic(real: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(self: Any, *args: Any) -> Any:
            if any(getattr(arg, "get_element_ty", _nothing)() == bfloat16 for arg in args):
                raise NotStoodInForError("atomics on bfloat16 in Triton's interpreter")
            return real(self, *args)

        return refuse

    def constant(self: Any, value: Any) -> Any:
        return handle_class(rounded(np.array([value], np.float32)), bfloat16)

    builder.get_bf16 = constant  # it has one for every type but this
    around(interpreter, "_patch_lang", _once)
    around(interpreter, "_get_np_dtype", numpy_type)
    around(interpreter, "_validate_np_data_size", size_fits)
    around(handle_class, "__post_init__", checked)
    changes = {
        "create_masked_load": load,
        "create_masked_store": store,
        "cast_impl": cast,
        "create_fp_to_fp": convert,
        "create_bitcast": bitcast,
        "create_int_to_ptr": bitcast,
        "create_ptr_to_int": bitcast,
        "create_fabs": absolute,
        "create_atomic_cas": atomic,
        "create_atomic_rmw": atomic,
    }
    for name, make in changes.items():
        around(builder, name, make)


def tune_nothing() -> None:
    """Of several configurations of a kernel take the first: there is nothing to measure them on."""
    from triton.runtime import autotuner

    def first(real: Callable[..., Any]) -> Callable[..., Any]:
        def init(
            self: Any, fn: Any, arg_names: Any, configs: Any, *args: Any, **named: Any
        ) -> None:
            real(self, fn, arg_names, configs[:1], *args, **named)

        return init

    around(autotuner.Autotuner, "__init__", first)


class _Kept:
    """What the interpreter would put back after each kernel."""

    def restore(self) -> None:
        """Nothing: the next kernel wants it again."""


def _once(real: Callable[..., Any]) -> Callable[..., Any]:
    """Change Triton's language when it is first seen, not for each kernel: a third of the time."""
    changed: dict[int, Any] = {}

    def patch(function: Any) -> _Kept:
        if id(function.__globals__) not in changed:
            changed[id(function.__globals__)] = function.__globals__
            real(function)
        return _Kept()

    return patch


def _nothing() -> None:
    return None
