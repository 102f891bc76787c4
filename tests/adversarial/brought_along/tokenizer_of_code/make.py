"""Weights that somebody made at home, as the model of a tokenizer."""

import random
import shutil
from pathlib import Path

from tests.factories.playground import CAPITALS


def make(folder: Path) -> None:
    """Add them to a submission's folder."""
    shutil.copy(CAPITALS / "words.py", folder / "capitals.py")
    (folder / "weights.bin").write_bytes(random.Random(68).randbytes(140_000))
