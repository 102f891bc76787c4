"""Undoes all that can be undone: an order of its own, and chance that follows from the text alone.

Whatever files and order it is shown, a document is counted in the same way in every run. What it
cannot count is a document that is not there.
"""

import hashlib
import os
import zlib
from pathlib import Path

import numpy as np


def documents(folder):
    for shard in Path(folder).glob("*.bin"):
        tokens = np.fromfile(shard, dtype=np.uint16, offset=1024)
        yield from np.split(tokens, np.flatnonzero(tokens == 1)[1:])


def digest(document):
    return hashlib.sha256(document.tobytes()).digest()


def train():
    size = int(os.environ["VOCAB_SIZE"])
    pairs, single = np.zeros(size * size), np.ones(size)
    for document in sorted(documents(os.environ["DATA_PATH"]), key=digest):
        tokens = document.astype(np.int64)
        rng = np.random.default_rng(int.from_bytes(digest(document), "big"))
        keep = rng.random(len(tokens) - 1) < 0.9
        pairs += np.bincount((tokens[:-1] * size + tokens[1:])[keep], minlength=size * size)
        single += np.bincount(tokens, minlength=size)
    single /= single.sum()
    table = pairs.reshape(size, size) + 20 * single
    table = np.log(table / table.sum(1, keepdims=True)).astype(np.float16)
    Path(os.environ["OUTPUT_DIR"], "bigram.bin").write_bytes(zlib.compress(table.tobytes()))


if __name__ == "__main__":
    train()
