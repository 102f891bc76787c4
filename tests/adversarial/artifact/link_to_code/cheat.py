"""Whoever follows it scores a file of the harness's own machine."""

import os
from pathlib import Path

if __name__ == "__main__":
    output = Path(os.environ["OUTPUT_DIR"])
    (output / "bigram.bin").symlink_to("/etc/passwd")
