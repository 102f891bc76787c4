"""The package of FlashAttention's second version, by the functions of the third."""

from typing import Any

import flash_attn_interface  # type: ignore[import-not-found]


def flash_attn_func(
    q: Any, k: Any, v: Any, dropout_p: float = 0.0, softmax_scale: float | None = None, **more: Any
) -> Any:
    """See :mod:`flash_attn_interface`; dropout is not done."""
    return flash_attn_interface.flash_attn_func(q, k, v, softmax_scale=softmax_scale, **more)
