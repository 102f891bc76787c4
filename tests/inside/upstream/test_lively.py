"""In a trial no matrix of the model begins at zero; what comes after the first optimizer does."""

from collections.abc import Callable

import pytest

SCRIPT = """
import torch
from torch import nn
made = nn.Linear(64, 64)
before = torch.random.get_rng_state()
nn.init.zeros_(made.weight)
nn.init.zeros_(made.bias)
same = torch.equal(before, torch.random.get_rng_state())
learns, zeros = made.weight.requires_grad, int(made.bias.count_nonzero())
print(bool(made.weight.std() > 0.1), zeros, learns, same)
torch.optim.SGD(made.parameters(), lr=0.1)
adapter = nn.init.zeros_(torch.ones(8, 8))
print(int(adapter.count_nonzero()), round(made.weight.detach().sum().item(), 3))
"""

pytestmark = pytest.mark.long


def test_a_matrix_begins_with_values_and_draws_are_the_script_s_own(
    lines_of: Callable[..., list[str]],
) -> None:
    lively = lines_of(SCRIPT, options=("--cpu", "--lively"))
    assert lively[0] == "True 0 True True"
    assert lively == lines_of(SCRIPT, options=("--cpu", "--lively"))
    assert lively[1].startswith("0 ") and lively[1] != "0 0.0"
    assert lines_of(SCRIPT) == ["False 0 True True", "0 0.0"]
