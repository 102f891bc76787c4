"""What one process finds out about an artifact alone: its own loop, quantization, noise of shapes.

Nothing of the harness is needed here.
"""

import time
from typing import Any

import numpy as np
import torch

from tests.accelerator.bare import BARE_TOKENS, Bare, Windows, bits_a_byte
from tests.accelerator.desk import Desk
from tests.accelerator.recipe import Recipe, read_recipe

LIKELY = 1e-4
SHAPES = (1, 2, 7, 32, 64)
_CUTS = 64


def run(desk: Desk) -> None:
    """Rate of the bare loop, score of artifact and checkpoint, noise between batch shapes."""
    recipe = read_recipe(desk)
    device = torch.device(desk.device)
    began = time.monotonic()
    model = recipe.load_model(desk.artifact, device)
    desk.tell("load_seconds", round(time.monotonic() - began, 2))
    _rate(desk, recipe, model, device)
    _quantization(desk, recipe, device)
    _noise(desk, recipe, device)


def rate_stream(desk: Desk, recipe: Recipe) -> np.ndarray:
    """Text for measuring rates: as many windows as the size says, where the text does for them."""
    tokens: np.ndarray = np.load(desk.folder / "rate.npy")
    windows = desk.size.rate_windows
    if not desk.size.smoke:
        windows = windows * 1024 // recipe.sequence_length
    windows = windows // 8 if recipe.segment else windows
    return tokens[: recipe.sequence_length + (windows - 1) * recipe.stride + 1]


def _rate(desk: Desk, recipe: Recipe, model: Any, device: torch.device) -> None:
    stream = rate_stream(desk, recipe)
    bare = _bare(model, stream, recipe, device)
    bare.total(at_once=BARE_TOKENS, whole=True, most_windows=1)  # caches, libraries
    if device.type == "cuda":
        bare.nats(next(bare.windows.batches(np.arange(len(bare.windows.starts)), BARE_TOKENS)),
                  whole=True)  # fmt: skip
    model = recipe.load_model(desk.artifact, device) if recipe.segment else model
    nats, targets, seconds = _bare(model, stream, recipe, device).total(
        at_once=BARE_TOKENS, whole=True
    )
    desk.tell("bare_targets_a_second", round(targets / seconds))
    desk.tell("bare_windows", len(bare.windows.starts))
    desk.tell("bare_seconds", round(seconds, 3))
    desk.tell("bare_nats", nats / targets)
    if device.type == "cuda":
        desk.tell("bare_peak_mib", round(torch.cuda.max_memory_allocated() / 2**20))


def _bare(model: Any, stream: np.ndarray, recipe: Recipe, device: torch.device) -> Bare:
    tokens = torch.from_numpy(stream.astype(np.int64))
    return Bare(model, tokens, Windows.over(len(stream), recipe), device)


def _quantization(desk: Desk, recipe: Recipe, device: torch.device) -> None:
    validation = np.load(desk.folder / "validation.npy")
    text_bytes = int(np.load(desk.folder / "bytes.npy").sum())
    scores = {}
    for name, path in (
        ("artifact", desk.artifact),
        ("checkpoint", desk.artifacts / "checkpoint.bin"),
    ):
        if not path.is_file():
            desk.cannot(f"the score of the {name}", f"training left no {name}")
            continue
        nats, _, _ = _bare(recipe.load_model(path, device), validation, recipe, device).total(
            at_once=BARE_TOKENS, whole=False
        )
        scores[name] = bits_a_byte(nats, text_bytes)
        desk.tell(f"{name}_bpb", scores[name])
    if len(scores) == 2:
        desk.tell("quantization_costs_bpb", scores["artifact"] - scores["checkpoint"])


@torch.no_grad()
def _noise(desk: Desk, recipe: Recipe, device: torch.device) -> None:
    """The same windows in batches of other shapes: how far apart an honest model's answers are.

    The yardstick is what a scoring asks: as many windows as fit, their last logits alone.
    """
    validation = np.load(desk.folder / "validation.npy")
    bare = _bare(recipe.load_model(desk.artifact, device), validation, recipe, device)
    windows = bare.windows
    usual = (windows.lengths == recipe.sequence_length) & (
        windows.lengths - windows.firsts == recipe.stride
    )
    numbers = np.flatnonzero(usual)[: desk.size.noise_windows]
    if not len(numbers):
        desk.cannot("noise between batch shapes", "the text holds no whole window")
        return
    most = max(1, min(len(numbers), (131_072 if desk.cuda else 16_384) // recipe.sequence_length))
    yardstick = _costs(bare, numbers, most, whole=False)
    desk.tell("noise_yardstick", f"{most} windows of {recipe.sequence_length}, last logits alone")
    asked: dict[str, torch.Tensor] = {"the same again": _costs(bare, numbers, most, whole=False)}
    mixed = np.random.default_rng(0).permutation(len(numbers))
    back = torch.from_numpy(np.argsort(mixed))
    asked["other neighbors"] = _costs(bare, numbers[mixed], most, whole=False)[back]
    for many in SHAPES:
        if many < most:
            few = numbers if many > 2 else numbers[: max(8, len(numbers) // 8)]
            asked[f"{many} together"] = _costs(bare, few, many, whole=False)
    asked["all logits"] = _costs(bare, numbers, most, whole=True)
    noise = {name: differences(costs, yardstick[: len(costs)]) for name, costs in asked.items()}
    desk.tell("noise", noise)
    desk.tell("noise_of_all_likely_tokens", _likely(bare, numbers[:_CUTS], most))


def _costs(bare: Bare, numbers: np.ndarray, many: int, *, whole: bool) -> torch.Tensor:
    parts = [
        bare.nats(numbers[begin : begin + many], whole=whole).cpu()
        for begin in range(0, len(numbers), many)
    ]
    return torch.cat(parts)


def differences(costs: torch.Tensor, before: torch.Tensor) -> dict[str, float]:
    """Mean, deviation and extremes of changes in nats; and of the means of windows."""
    changes = (costs - before).double()
    sizes = changes.abs().flatten()
    cut = torch.quantile(sizes[: 1 << 20], torch.tensor([0.5, 0.99, 0.999], dtype=torch.float64))
    return {
        "targets": changes.numel(),
        "mean": float(changes.mean()),
        "sd": float(changes.std()),
        "median_size": float(cut[0]),
        "size_99": float(cut[1]),
        "size_999": float(cut[2]),
        "largest": float(sizes.max()),
        "sd_of_windows": float(changes.mean(dim=1).std()) if len(changes) > 1 else 0.0,
    }


def _likely(bare: Bare, numbers: np.ndarray, most: int) -> dict[str, float]:
    """The largest change of a likely token's log-probability at the last position of windows."""
    tokens, _, _ = bare.shown(numbers)
    last = tokens.shape[1] - 1
    alone = torch.cat([bare.model(tokens[i : i + 1], last) for i in range(len(tokens))])
    together = bare.model(tokens[:most], last)
    before, after = (torch.log_softmax(x.float(), -1)[:most, 0] for x in (alone, together))
    likely = torch.maximum(before, after) >= np.log(LIKELY)
    worst = torch.where(likely, (after - before).abs(), 0.0).amax(dim=-1)
    return {"median": float(worst.median()), "largest": float(worst.max()), "cuts": len(worst)}
