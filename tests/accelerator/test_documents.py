"""The page about the command agrees with it, and with the tracks that it speaks of."""

import pytest
import torch

from tests.accelerator.conclusions import RUNS
from tests.accelerator.desk import REPOSITORY
from tests.accelerator.extra import peeking
from tests.accelerator.extra.captured import _ByShape
from tests.accelerator.official import official_probes
from tests.accelerator.plan import first_step, planned
from tests.accelerator.recipe import names
from tests.accelerator.sizes import FULL

PAGE = (REPOSITORY / "docs/accelerator.md").read_text(encoding="utf-8")


def test_every_step_is_on_the_page() -> None:
    for step in (first_step(FULL), *planned(FULL, names())):
        named = f"`{step.module} NAME`" if "submission" in step.arguments else f"`{step.module}`"
        assert f"| {named} |" in PAGE, step.module


def test_what_is_set_from_reasoning_is_what_the_track_has() -> None:
    probes = official_probes()
    bound, memory = probes["bound"], probes["memory"]
    for row in (
        f"| {bound['noise_sd_nats']:g} nats | `[probes.bound] noise_sd_nats` |",
        f"| {memory['noise_sd_nats']:g} nats | `[probes.memory] noise_sd_nats` |",
        f"| {bound['tolerance_nats']:g} nats, ",
        f"| {probes['largest_change_nats']:g} nats | `largest_change_nats` |",
        f"| {probes['mean_change_nats']:g} nats | `mean_change_nats` |",
        f"| {bound['excess_variance']:f}".rstrip("0") + " nats² |",
    ):
        assert row in PAGE, row
    assert RUNS == 3  # of which the page's number of questions is


def test_a_shape_is_made_when_it_is_asked_for_the_third_time() -> None:
    made = []

    def make(model: object, tokens: torch.Tensor, first: int) -> object:
        made.append((tuple(tokens.shape), first))
        return lambda new: ("made", new.sum().item())

    model = _ByShape(lambda tokens, first: ("as it is", tokens.sum().item()), make)  # type: ignore[arg-type]
    asked = torch.ones(2, 3)
    answers = [model(asked, 1) for _ in range(4)]
    assert answers == [("as it is", 6.0)] * 2 + [("made", 6.0)] * 2
    assert model(asked, 2)[0] == "as it is"
    assert made == [((2, 3), 1)]


def test_who_looks_ahead_raises_what_the_window_shows_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peeking, "RAISED", 0.5)
    cheat = peeking.Peeks(lambda tokens, first: torch.zeros(*tokens[:, first:].shape, 5))
    answer = cheat(torch.tensor([[1, 2, 3, 4]]), 1)
    expected = torch.zeros(1, 3, 5)
    expected[0, 0, 3] = expected[0, 1, 4] = 0.5
    assert torch.equal(answer, expected)
