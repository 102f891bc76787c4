"""``flash_attn_interface`` gives what FlashAttention gives, as a plain sum over keys says."""

import itertools
import math
from typing import Any

import pytest
import torch

from harness.inside.upstream.cuda_shim.flash_attn_interface import (
    flash_attn_func,
    flash_attn_varlen_func,
)


def plain(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    *,
    causal: bool,
    left: int,
    softcap: float = 0.0,
) -> torch.Tensor:
    """One query at a time, [queries, heads, size], over [keys, heads, size]."""
    times = q.shape[1] // k.shape[1]
    out = torch.zeros_like(q)
    for i, head in itertools.product(range(q.shape[0]), range(q.shape[1])):
        place = i + k.shape[0] - q.shape[0]
        last = place + 1 if causal else k.shape[0]
        first = max(0, place - left) if left >= 0 else 0
        keys, values = (x[first:last, head // times] for x in (k, v))
        if len(keys):
            scores = keys @ q[i, head] / math.sqrt(q.shape[2])
            if softcap:
                scores = softcap * torch.tanh(scores / softcap)
            out[i, head] = scores.softmax(0) @ values
    return out


def some(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("softcap", [0.0, 2.0])
@pytest.mark.parametrize("left", [-1, 0, 3])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("keys", [7, 9])
@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
def test_fixed_length(
    heads: tuple[int, int], keys: int, causal: bool, left: int, softcap: float
) -> None:
    q, k, v = some(2, 7, heads[0], 8), some(2, keys, heads[1], 8), some(2, keys, heads[1], 8) * 2
    found = flash_attn_func(q, k, v, causal=causal, window_size=(left, -1), softcap=softcap)
    for row in range(2):
        wanted = plain(q[row], k[row], v[row], causal=causal, left=left, softcap=softcap)
        assert torch.allclose(found[row], wanted, atol=1e-5)


def test_the_scale_can_be_given() -> None:
    q = some(1, 5, 2, 8)
    found = flash_attn_func(q, q, q, softmax_scale=0.0, causal=False)
    assert torch.allclose(found, q.mean(1, keepdim=True).expand_as(q), atol=1e-6)


@pytest.mark.parametrize("left", [-1, 2])
def test_sequences_behind_each_other_do_not_see_each_other(left: int) -> None:
    q, k, v = some(12, 4, 8), some(12, 2, 8), some(12, 2, 8) * 2
    ends = torch.tensor([0, 5, 5, 9, 9], dtype=torch.int32)  # one is empty, three tokens are behind
    found = flash_attn_varlen_func(
        q, k, v, ends, ends, 5, 5, causal=True, window_size=(left, 0), softmax_scale=None
    )
    assert found.shape == (12, 4, 8)
    for first, last in ((0, 5), (5, 9)):
        part = slice(first, last)
        wanted = plain(q[part], k[part], v[part], causal=True, left=left)
        assert torch.allclose(found[part], wanted, atol=1e-5)
    assert not found[9:].any()


def test_it_can_be_learned_through_in_bfloat16() -> None:
    q = some(6, 2, 8).bfloat16().requires_grad_()
    ends = torch.tensor([0, 2, 6], dtype=torch.int32)
    found = flash_attn_varlen_func(q, q, q, ends, ends, 4, 4, causal=True)
    assert found.dtype == torch.bfloat16
    loss: Any = found.float().sum()
    loss.backward()
    assert q.grad is not None


def test_what_is_not_stood_in_for_says_so() -> None:
    q = some(1, 5, 2, 8)
    with pytest.raises(NotImplementedError, match="stand-in for flash_attn_interface"):
        flash_attn_func(q, q, q, qv=q)
