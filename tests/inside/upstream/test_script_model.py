"""Logits as a script makes them: divided by a temperature, and out of a loss written by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.inside.upstream.script_model import Asked, NoLogitsError, divisor_in, logits_in_loss

FORWARD: dict[str, Any] = {
    "how": "forward",
    "arguments": {},
    "result": None,
    "cap": None,
    "autocast": "none",
}


def model(tokens: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(tokens, 8).to(torch.bfloat16)


@pytest.mark.parametrize(
    ("temperature", "names", "divisor"),
    [
        (None, {}, 1.0),
        ("temperature", {"temperature": 0.5}, 0.5),
        ("t", {"t": torch.tensor(0.25)}, 0.25),
        ("args.temperature", {"args": SimpleNamespace(temperature=2)}, 2.0),
    ],
)
def test_logits_are_divided_by_it(
    temperature: str | None, names: dict[str, Any], divisor: float
) -> None:
    asked = Asked(model, {**FORWARD, "temperature": temperature}, {}, names)
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    found = asked(tokens, 1)
    assert found.shape == (2, 2, 8)
    torch.testing.assert_close(found.float(), model(tokens)[:, 1:].float() / divisor)


def test_they_are_rounded_as_the_script_rounds_them() -> None:
    logits = {**FORWARD, "temperature": "t"}
    for raw, kind in ((None, torch.float32), (True, torch.bfloat16)):
        asked = Asked(model, {**logits, "divided_raw": raw}, {}, {"t": 0.7})
        assert asked(torch.tensor([[1, 2]]), 0).dtype == kind


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "warm", None])
def test_what_is_no_temperature_is_told(value: object) -> None:
    with pytest.raises(NoLogitsError, match="divided by temperature, which is"):
        divisor_in({"temperature": value}, "temperature")
    with pytest.raises(NoLogitsError, match="which is None"):
        divisor_in({}, "temperature")


def with_z_loss(tokens: torch.Tensor, targets: torch.Tensor, reduction: str = "mean") -> Any:
    """A loss that is more than the cost of its targets."""
    logits = model(tokens).float().reshape(-1, 8)
    wanted = targets.reshape(-1)
    if reduction == "none":
        return torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
    normaliser = torch.logsumexp(logits, dim=-1)
    cost = normaliser - logits.gather(1, wanted[:, None])[:, 0]
    return cost.mean() + 1e-4 * (normaliser**2).mean()


@pytest.mark.parametrize("arguments", [{}, {"reduction": "none"}])
def test_a_loss_that_is_written_out_gives_its_logits(arguments: dict[str, Any]) -> None:
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    found = logits_in_loss(with_z_loss, tokens, arguments)
    torch.testing.assert_close(found.reshape(2, 3, 8), model(tokens).float())


def test_a_loss_of_which_nothing_is_seen_is_told() -> None:
    with pytest.raises(NoLogitsError, match="no cross_entropy"):
        logits_in_loss(lambda x, y: model(x).float().exp().mean(), torch.tensor([[1, 2]]), {})
