"""Pins: what every file of a fetched dataset must be, fixed beforehand or at first use."""

from importlib import resources
from pathlib import Path

from pydantic import Field

from harness.data.format.manifest import MANIFEST_BYTES_LIMIT, Count
from harness.data.format.reading import model_of
from harness.models import Exact

PINS_NAME = "pins.json"
REPOSITORY = r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*$"


class Pin(Exact):
    """One file by its path in the repository; of the documents, only the first bytes count."""

    path: str = Field(min_length=1, max_length=500)
    bytes: Count
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Pins(Exact):
    """``pins.json``: a commit of a repository, and the files that it held."""

    repository: str = Field(pattern=REPOSITORY)
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    files: tuple[Pin, ...] = Field(max_length=100_000)

    def of(self, path: str) -> Pin | None:
        """The pin of one file, if it has one."""
        return next((pin for pin in self.files if pin.path == path), None)

    def to_json(self) -> bytes:
        """The content of ``pins.json``."""
        return (self.model_dump_json(indent=2) + "\n").encode()


def load_pins(path: Path) -> Pins:
    """Read a file of pins.

    Raises:
        InfrastructureError: it is missing, not JSON, or a key is unknown, missing or makes no
            sense.
    """
    return model_of(Pins, path, limit_bytes=MANIFEST_BYTES_LIMIT)


def pins_for(name: str, directory: Path, chosen: Path | None) -> tuple[Pins | None, str]:
    """The pins to compare a dataset with, and where they come from.

    In this order: a file that the caller chose, the pins that come with the harness, the pins of an
    earlier fetch into ``directory``. None on first use.

    Raises:
        InfrastructureError: the file cannot be read or is no file of pins.
    """
    shipped = Path(str(resources.files("harness.data.hub") / "pins" / f"{name}.json"))
    for path, what in (
        (chosen, f"{chosen}"),
        (shipped, "the pins that come with the harness"),
        (directory / PINS_NAME, f"{directory / PINS_NAME}, from an earlier fetch"),
    ):
        if path is not None and (path == chosen or path.is_file()):
            return load_pins(path), what
    return None, ""
