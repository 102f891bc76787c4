"""Weights that somebody made at home, in a file."""

import random
from pathlib import Path


def make(folder: Path) -> None:
    """Add them to a submission's folder."""
    weights = random.Random(68).randbytes(140_000)
    (folder / "weights.bin").write_bytes(weights)
    manifest = folder / "submission.toml"
    files = 'files = ["bigram.py", "cheat.py"'
    manifest.write_text(manifest.read_text().replace(files, files + ', "weights.bin"'))
