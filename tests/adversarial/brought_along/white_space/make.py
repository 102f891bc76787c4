"""Weights that somebody made at home, in white space."""

import random
from pathlib import Path


def make(folder: Path) -> None:
    """Add them to a submission's folder."""
    weights = random.Random(68).randbytes(140_000)
    digits = "".join(f"{byte >> shift & 3}" for byte in weights for shift in (6, 4, 2, 0))
    blank = digits.translate(str.maketrans("0123", " \t\n\f"))
    (folder / "blank.py").write_bytes(b"NOTHING = None\n" + blank.encode())
    manifest = folder / "submission.toml"
    files = 'files = ["bigram.py", "cheat.py"'
    manifest.write_text(manifest.read_text().replace(files, files + ', "blank.py"'))
