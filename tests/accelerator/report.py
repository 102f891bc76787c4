"""The report: one file of JSON with every figure, one of Markdown for people."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.accelerator.conclusions import conclusions
from tests.accelerator.markdown import markdown

FORMAT = 1


@dataclass
class Report:
    """What is known so far; written anew after every step.

    ``head`` says when, where and how; ``steps`` are those that were done or could not be, in order;
    ``waiting`` the names of those to come.
    """

    folder: Path
    head: dict[str, Any]
    steps: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """All of it, with what follows from the figures."""
        could_not = [
            {"step": step["name"], **lack} for step in self.steps for lack in step["lacking"]
        ]
        could_not += [
            {"step": step["name"], "what": "the step", "why": step["why"]}
            for step in self.steps
            if step["state"] != "done"
        ]
        return {
            "format": FORMAT,
            "head": self.head,
            "finished": not self.waiting,
            "waiting": self.waiting,
            "steps": self.steps,
            "could_not": could_not,
            "conclusions": conclusions(self.steps),
        }

    def write(self) -> None:
        """Both files, each whole or as it was before."""
        content = self.content()
        self._replace("accelerator.json", json.dumps(content, indent=1))
        self._replace("accelerator.md", markdown(content))

    def _replace(self, name: str, text: str) -> None:
        temporary = self.folder / f".{name}.tmp"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / name)
