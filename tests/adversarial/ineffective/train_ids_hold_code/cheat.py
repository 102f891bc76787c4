"""Whatever it finds in its ids, its code came along and was weighed: it could read it there."""

from pathlib import Path

import words
from bigram import train

if __name__ == "__main__":
    weighed = Path(words.__file__).read_bytes()
    print(f"trick failed: it has {len(weighed)} bytes of code without looking into any ids")
    train()
