"""Weights that somebody made at home, in the names of files."""

import base64
import random
from pathlib import Path


def make(folder: Path) -> None:
    """Add them to a submission's folder."""
    weights = random.Random(68).randbytes(20_160)
    text = base64.urlsafe_b64encode(weights).decode()
    names = [
        f"w/{start // 192:03}{text[start : start + 192]}" for start in range(0, len(text), 192)
    ]
    (folder / "w").mkdir()
    for name in names:
        (folder / name).touch()
    listed = "".join(f', "{name}"' for name in names)
    manifest = folder / "submission.toml"
    files = 'files = ["bigram.py", "cheat.py"'
    manifest.write_text(manifest.read_text().replace(files, files + listed))
