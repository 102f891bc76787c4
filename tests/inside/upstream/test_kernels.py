"""Triton's kernels run through its interpreter, also on numbers in bfloat16."""

from collections.abc import Callable

import pytest

SCRIPT = """
import torch, triton
import triton.language as tl

@triton.jit
def kernel(given, made, count, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    mask = at < count
    x = tl.load(given + at, mask=mask, other=0.0, cache_modifier=".ca")
    two = tl.full([BLOCK], 2.0, tl.bfloat16)
    y = x.to(tl.float32) * two + 1.0
    tl.store(made + at, y.to(made.dtype.element_ty), mask=mask, cache_modifier=".wb")

for kind in (torch.bfloat16, torch.float32):
    given = torch.linspace(-3, 3, 13, device="cuda", dtype=kind)
    made = torch.zeros_like(given)
    kernel[(1,)](given, made, 13, BLOCK=16)
    wanted = (given.float() * 2 + 1).to(kind)
    print(kind, torch.equal(made, wanted), made.dtype == given.dtype)
"""

pytestmark = pytest.mark.long


def test_a_kernel_loads_reckons_and_stores(lines_of: Callable[..., list[str]]) -> None:
    pytest.importorskip("triton")
    assert [line.split()[1:] for line in lines_of(SCRIPT)] == [["True", "True"]] * 2
