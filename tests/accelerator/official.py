"""What the official track says of noise and probes, read from its file."""

import tomllib
from typing import Any

from tests.accelerator.desk import OFFICIAL, REPOSITORY


def official_probes() -> dict[str, Any]:
    """The table ``[probes]``, with ``bound`` and ``memory`` in it."""
    path = REPOSITORY / "harness/contest/tracks" / f"{OFFICIAL}.toml"
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["probes"]
    return found
