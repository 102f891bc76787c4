"""Uses up what is not measured in bytes."""

import os
from pathlib import Path

from bigram import train

if __name__ == "__main__":
    train()
    output = Path(os.environ["OUTPUT_DIR"])
    held = []
    for what, attempt in (
        ("open", lambda number: held.append((output / "bigram.bin").open("rb"))),
        ("made", lambda number: (output / f"file-{number}").touch()),
    ):
        try:
            for number in range(100_000):
                attempt(number)
            print(f"trick worked: {number} {what}", flush=True)
        except OSError as error:
            held.clear()
            print(f"trick failed: {number} {what}: {error.strerror}", flush=True)
