"""A directory, whose own size is nothing."""

import os
from pathlib import Path

from bigram import train

if __name__ == "__main__":
    output = Path(os.environ["OUTPUT_DIR"])
    (output / "bigram.bin").mkdir()
    train_into = output / "bigram.bin"
    os.environ["OUTPUT_DIR"] = str(train_into)
    train()
