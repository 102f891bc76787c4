"""Weights that somebody made at home, in numbers."""

import random
from pathlib import Path


def make(folder: Path) -> None:
    """Add them to a submission's folder."""
    weights = random.Random(68).randbytes(140_000)
    (folder / "learned.py").write_text(f"WEIGHTS = {list(weights)}\n")
    manifest = folder / "submission.toml"
    files = 'files = ["bigram.py", "cheat.py"'
    manifest.write_text(manifest.read_text().replace(files, files + ', "learned.py"'))
