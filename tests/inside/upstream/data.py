"""Small shards in upstream's format."""

import random
from pathlib import Path

import numpy as np

MAGIC, VERSION = 20240520, 1


def write_shard(path: Path, tokens: list[int]) -> None:
    """A shard: a header of 256 numbers (int32), then the tokens (uint16)."""
    header = np.zeros(256, dtype="<i4")
    header[:3] = MAGIC, VERSION, len(tokens)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.tobytes() + np.array(tokens, dtype="<u2").tobytes())


def write_shards(folder: Path, *, vocabulary: int, train: int, val: int, seed: int = 1) -> Path:
    """Two shards for training and one for validation, of tokens that depend on those before."""
    draw = random.Random(seed)

    def text(length: int) -> list[int]:
        tokens = [1]
        while len(tokens) < length:
            tokens.append((tokens[-1] * 3 + draw.choice((1, 2, 5))) % vocabulary)
        return tokens

    for number in range(2):
        write_shard(folder / f"fineweb_train_{number:06d}.bin", text(train))
    write_shard(folder / "fineweb_val_000000.bin", text(val))
    return folder
