"""The tokenizer of its honest twin, which it changes."""

import shutil
from pathlib import Path

from tests.factories.playground import CAPITALS


def make(folder: Path) -> None:
    """Add it to a submission's folder, as another module."""
    shutil.copy(CAPITALS / "words.py", folder / "capitals.py")
