"""Weights that somebody made at home, in variables."""

import base64
import random
from pathlib import Path


def make(folder: Path) -> None:
    """Add them to a submission's folder."""
    weights = random.Random(68).randbytes(20_160)
    text = base64.b64encode(weights).decode()
    parts = [text[start : start + 10_000] for start in range(0, len(text), 10_000)]
    variables = ", ".join(f'W{number} = "{part}"' for number, part in enumerate(parts))
    manifest = folder / "submission.toml"
    lines = manifest.read_text().replace("[train]", f"[train]\nenv = {{ {variables} }}")
    manifest.write_text(lines)
