"""A submission as its own ``submission.toml`` says, read without the harness."""

import importlib
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.accelerator.desk import SUBMISSIONS, CannotTryError, Desk

FIRST = ("naive_baseline", "int6_late_k")
"""Those that are measured first, where time may not do for all."""


@dataclass(frozen=True)
class Recipe:
    """How a submission is trained and scored, at full size or as a laptop rehearses it."""

    name: str
    folder: Path
    command: tuple[str, ...]
    environment: dict[str, str]
    load: str
    sequence_length: int
    stride: int
    segment: int | None

    @property
    def methods(self) -> str:
        """What the worker must find in the model."""
        return "observe" if self.segment else ""

    def load_model(self, path: Path, device: Any) -> Any:
        """The model of an artifact or checkpoint, in this process; one submission a process."""
        module, _, function = self.load.partition(":")
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))
        return getattr(importlib.import_module(module), function)(path, device)


def names() -> list[str]:
    """All submissions, those first that are measured first."""
    found = sorted(path.parent.name for path in SUBMISSIONS.glob("*/submission.toml"))
    return [*filter(found.__contains__, FIRST), *(name for name in found if name not in FIRST)]


def read_recipe(desk: Desk) -> Recipe:
    """The recipe of a step's submission.

    Raises:
        CannotTryError: it brings a tokenizer, or is scored by documents: not done here.
    """
    folder = SUBMISSIONS / desk.submission
    table = tomllib.loads((folder / "submission.toml").read_text(encoding="utf-8"))
    train, score = dict(table["train"]), dict(table["score"])
    environment = dict(train.get("env", {}))
    if desk.size.smoke:
        smoke = table.get("tracks", {}).get("smoke", {})
        environment |= smoke.get("train", {}).get("env", {})
        train |= smoke.get("train", {})
        score |= smoke.get("score", {})
    if "tokenizer" in table or score.get("streams", "corpus") != "corpus":
        raise CannotTryError("own tokenizers and streams by document are not measured here")
    return Recipe(
        name=desk.submission,
        folder=folder,
        command=tuple(train["command"]),
        environment={**environment, **dict(desk.size.environment)},
        load=score["load"],
        sequence_length=int(score["sequence_length"]),
        stride=int(score["stride"]),
        segment=int(score["segment"]) if score.get("adaptive") else None,
    )
