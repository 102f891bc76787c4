"""A cheat with a bound: each logit of the next token that a window shows is a little higher."""

import importlib
from pathlib import Path
from typing import Any

import torch

ORIGINAL = "module:function"
RAISED = 0.0


class Peeks:
    """A model that looks ahead by so little that a mean over many targets alone shows it."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, tokens: torch.Tensor, first: int) -> torch.Tensor:
        """Logits, of which those are raised that stand behind in the window."""
        logits: torch.Tensor = self.model(tokens, first).float().clone()
        following = tokens[:, first + 1 :, None]
        raised = torch.full_like(following, RAISED, dtype=logits.dtype)
        logits[:, :-1].scatter_add_(-1, following, raised)
        return logits

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def load_model(artifact: Path, device: torch.device) -> Peeks:
    """The submission's own model, that looks ahead."""
    module, _, function = ORIGINAL.partition(":")
    return Peeks(getattr(importlib.import_module(module), function)(artifact, device))
