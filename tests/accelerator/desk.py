"""Where a step works: what it was told, the files of the steps before it, what it has found.

Each figure is written the moment it is there, one line of JSON, so that a step that is killed keeps
what it had found so far.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.accelerator.sizes import Size

REPOSITORY = Path(__file__).parents[2]
SUBMISSIONS = REPOSITORY / "submissions"
OFFICIAL = "10min_16mb"


class CannotTryError(Exception):
    """Something that a step needs is not here; the message says what."""


@dataclass(frozen=True)
class Desk:
    """One step's desk.

    ``folder`` is shared by all steps of a run; ``figures`` is this step's file. ``devices`` are the
    UUIDs of the GPUs that are used, as CUDA has them; ``site`` a directory of packages that this
    machine lacks otherwise, empty where there is none.
    """

    folder: Path
    figures: Path
    size: Size
    cuda: bool
    devices: tuple[str, ...]
    site: str
    data: Path
    arguments: dict[str, Any]

    def tell(self, name: str, value: Any) -> None:
        """Keep a figure; a later one of the same name takes its place."""
        self._write({"figure": name, "value": value})

    def cannot(self, what: str, why: str) -> None:
        """Keep that something could not be tried."""
        self._write({"cannot": what, "why": why})

    def _write(self, line: dict[str, Any]) -> None:
        with self.figures.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
            file.flush()

    @property
    def submission(self) -> str:
        """The submission that this step is about."""
        return str(self.arguments["submission"])

    @property
    def artifacts(self) -> Path:
        """Where the training of this step's submission left its files."""
        return self.folder / "artifacts" / self.submission

    @property
    def artifact(self) -> Path:
        """The artifact that its training left.

        Raises:
            CannotTryError: it left none.
        """
        path = self.artifacts / "model.bin"
        if not path.is_file():
            raise CannotTryError(f"training {self.submission} left no artifact")
        return path

    @property
    def device(self) -> str:
        """As torch names it."""
        return "cuda" if self.cuda else "cpu"

    def environment(self) -> dict[str, str]:
        """What a phase gets besides its own variables: packages that were brought; a thread each.

        In miniature threads of torch would wait for each other on a machine that others use too.
        """
        brought = {"PYTHONPATH": self.site} if self.site else {}
        return {**brought, "OMP_NUM_THREADS": "1"} if self.size.smoke else brought


def found(figures: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The figures of a step, and what it could not try, from its file; a torn last line is none."""
    values: dict[str, Any] = {}
    lacking: list[dict[str, str]] = []
    if not figures.is_file():
        return values, lacking
    for text in figures.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if "figure" in line:
            values[line["figure"]] = line["value"]
        elif "cannot" in line:
            lacking.append({"what": str(line["cannot"]), "why": str(line["why"])})
    return values, lacking


def open_desk(told: dict[str, Any]) -> Desk:
    """A step's desk from what its process was told."""
    return Desk(
        folder=Path(told["folder"]),
        figures=Path(told["figures"]),
        size=Size.of(told["size"]),
        cuda=bool(told["cuda"]),
        devices=tuple(told["devices"]),
        site=str(told["site"]),
        data=Path(told["data"]),
        arguments=dict(told["arguments"]),
    )


def usable_cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
