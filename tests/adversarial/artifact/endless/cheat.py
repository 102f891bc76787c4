"""Sparse: a terabyte that takes no room here, but would where it is copied."""

import os
from pathlib import Path

if __name__ == "__main__":
    output = Path(os.environ["OUTPUT_DIR"])
    with (output / "bigram.bin").open("wb") as file:
        file.truncate(1 << 40)
