"""Counts pairs of tokens, keeps their log-probabilities as compressed float16."""

import os
import zlib
from pathlib import Path

import numpy as np


def train() -> None:
    size = int(os.environ["VOCAB_SIZE"])
    rng = np.random.default_rng(int(os.environ["SEED"]))
    pairs, single = np.zeros(size * size), np.ones(size)
    for shard in sorted(Path(os.environ["DATA_PATH"]).glob("*.bin")):
        tokens = np.fromfile(shard, dtype=np.uint16, offset=1024).astype(np.int64)
        keep = rng.random(len(tokens) - 1) < 0.9
        pairs += np.bincount((tokens[:-1] * size + tokens[1:])[keep], minlength=size * size)
        single += np.bincount(tokens, minlength=size)
    single /= single.sum()
    table = pairs.reshape(size, size) + 20 * single
    table = np.log(table / table.sum(1, keepdims=True)).astype(np.float16)
    Path(os.environ["OUTPUT_DIR"], "bigram.bin").write_bytes(zlib.compress(table.tobytes()))
    print(f"counted {len(tokens)} tokens")


def load_model(artifact, device):
    import torch

    table = np.frombuffer(zlib.decompress(artifact.read_bytes()), np.float16).astype(np.float32)
    size = int(len(table) ** 0.5)
    weights = torch.from_numpy(table.reshape(size, size)).to(device)
    return lambda tokens, first: weights[tokens[:, first:]]


if __name__ == "__main__":
    train()
