"""FlashAttention's functions over torch's own attention: the same sums, slower.

Shapes are FlashAttention's: ``[batch, length, heads, size]``, or ``[tokens, heads, size]`` where
sequences of different lengths lie one behind the other. Queries may have more heads than keys.
Where keys are more than queries, the last query sees the last key.
"""

from typing import Any

import torch
import torch.nn.functional as F

Window = tuple[int | None, int | None]


def flash_attn_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    softmax_scale: float | None = None,
    causal: bool = False,
    qv: torch.Tensor | None = None,
    window_size: Window = (-1, -1),
    softcap: float = 0.0,
    **unused: Any,
) -> torch.Tensor:
    """Attention ``[batch, queries, heads, size]`` of sequences of one length.

    Raises:
        NotImplementedError: ``qv`` is given, which FlashAttention has for other models.
    """
    if qv is not None:
        raise NotImplementedError("qv: not in the rehearsal's stand-in for flash_attn_interface")
    return _attention(q, k, v, softmax_scale, causal, window_size, softcap)


def flash_attn_varlen_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    seqused_q: torch.Tensor | None = None,
    seqused_k: torch.Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    qv: torch.Tensor | None = None,
    window_size: Window = (-1, -1),
    softcap: float = 0.0,
    **unused: Any,
) -> torch.Tensor:
    """Attention ``[tokens, heads, size]`` of sequences that end where ``cu_seqlens`` say.

    Ends that repeat are empty sequences; what lies behind the last end is zero.

    Raises:
        NotImplementedError: see :func:`flash_attn_func`.
    """
    if qv is not None or seqused_q is not None or seqused_k is not None:
        raise NotImplementedError(
            "qv, seqused_q, seqused_k: not in the rehearsal's stand-in for flash_attn_interface"
        )
    queries, keys = cu_seqlens_q.tolist(), cu_seqlens_k.tolist()
    parts = []
    for i in range(len(queries) - 1):
        first, last = queries[i], queries[i + 1]
        if first < last:
            one, other = slice(first, last), slice(keys[i], keys[i + 1])
            found = _attention(
                q[None, one],
                k[None, other],
                v[None, other],
                softmax_scale,
                causal,
                window_size,
                softcap,
            )
            parts.append(found[0])
    rest = q.shape[0] - queries[-1]
    if rest > 0:
        parts.append(q.new_zeros(rest, q.shape[1], v.shape[2]))
    return torch.cat(parts) if parts else q.new_zeros(0, q.shape[1], v.shape[2])


def _attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float | None,
    causal: bool,
    window: Window,
    softcap: float,
) -> torch.Tensor:
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    left, right = (-1 if side is None else side for side in window)
    grouped = q.shape[1] != k.shape[1]
    if softcap:
        return _capped(q, k, v, scale, _mask(q, k, causal, left, right), softcap).transpose(1, 2)
    if left < 0 and right < 0 and (not causal or q.shape[2] == k.shape[2]):
        found = F.scaled_dot_product_attention(
            q, k, v, is_causal=causal, scale=scale, enable_gqa=grouped
        )
    else:
        mask = _mask(q, k, causal, left, right)
        found = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, scale=scale, enable_gqa=grouped
        )
        found = found.nan_to_num()  # a query that sees nothing gets zeros
    return found.transpose(1, 2)


def _mask(q: torch.Tensor, k: torch.Tensor, causal: bool, left: int, right: int) -> torch.Tensor:
    """Which key each query sees: bool ``[queries, keys]``; ends are aligned."""
    queries, keys = q.shape[2], k.shape[2]
    ahead = torch.arange(keys)[None, :] - torch.arange(keys - queries, keys)[:, None]
    seen = torch.ones(queries, keys, dtype=torch.bool)
    if causal:
        right = 0
    if right >= 0:
        seen &= ahead <= right
    if left >= 0:
        seen &= ahead >= -left
    return seen


def _capped(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float | None,
    mask: torch.Tensor,
    softcap: float,
) -> torch.Tensor:
    times = q.shape[1] // k.shape[1]
    k, v = (x.repeat_interleave(times, dim=1) for x in (k, v))
    scores = (q @ k.transpose(2, 3)).float() * (scale or q.shape[-1] ** -0.5)
    scores = softcap * torch.tanh(scores / softcap)
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1).nan_to_num()
    return weights.to(v.dtype) @ v
