"""Has its weights handed over by the harness, in a variable."""

import os
from pathlib import Path

from bigram import train

if __name__ == "__main__":
    assert len(os.environ["WEIGHTS"]) > 3000
    train()
    with Path(os.environ["OUTPUT_DIR"], "bigram.bin").open("ab") as file:
        file.write(bytes(995_000 - file.tell()))
