"""Fills what it may write to."""

import os
from pathlib import Path

from bigram import train

if __name__ == "__main__":
    for place in (os.environ["OUTPUT_DIR"], "/tmp", "/dev/shm"):
        file = Path(place, "ballast")
        try:
            with file.open("wb") as ballast:
                for _ in range(512):
                    ballast.write(bytes(1 << 20))
            print(f"trick worked: half a gigabyte in {place}")
        except OSError as error:
            print(f"trick failed: {place}: {error.strerror}")
        file.unlink()
    train()
