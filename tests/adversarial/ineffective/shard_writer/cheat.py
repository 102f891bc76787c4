"""Improves its data."""

import os
from pathlib import Path

from bigram import train

if __name__ == "__main__":
    shard = min(Path(os.environ["DATA_PATH"]).glob("*.bin"))
    for what, attempt in (
        ("append", lambda: shard.open("ab").write(b"more")),
        ("replace", lambda: shard.with_name("new").write_bytes(b"")),
        ("delete", shard.unlink),
        ("chmod", lambda: shard.chmod(0o777)),
        ("tokenizer", lambda: Path(os.environ["TOKENIZER_PATH"]).write_bytes(b"")),
        ("own code", lambda: Path(__file__).write_text("")),
    ):
        try:
            attempt()
            print(f"trick worked: {what}")
        except OSError as error:
            print(f"trick failed: {what}: {error.strerror}")
    train()
