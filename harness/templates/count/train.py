"""Counts which token follows which, and goes on counting while it is scored.

No network, no GPU: the smallest entry that learns. DECIDE marks what is yours to choose.
"""

import os
import time
import zlib
from pathlib import Path

import numpy as np


def train() -> None:
    """Count pairs of tokens shard by shard, until all are read or the time is over."""
    size = int(os.environ["VOCAB_SIZE"])
    # The budget began before this process did. DECIDE: a third of it is kept for packing.
    ends = float(os.environ["WALLCLOCK_STARTED_AT"]) + float(os.environ["MAX_WALLCLOCK_SECONDS"])
    ends -= float(os.environ["MAX_WALLCLOCK_SECONDS"]) / 3
    pairs = np.zeros(size * size, np.int64)
    shards = sorted(Path(os.environ["DATA_PATH"]).glob("*.bin"))
    # SEED decides what is read where the time is too short for all of it.
    np.random.default_rng(int(os.environ["SEED"])).shuffle(shards)
    for number, shard in enumerate(shards):
        if time.time() > ends:
            print(f"time is over after {number} of {len(shards)} shards")
            break
        tokens = np.fromfile(shard, "<u2", offset=1024).astype(np.int64)
        pairs += np.bincount(tokens[:-1] * size + tokens[1:], minlength=size * size)
    # DECIDE: size x size counts fit for 1,024 tokens; for more of them keep the frequent pairs.
    content = zlib.compress(np.minimum(pairs, 2**31 - 1).astype("<i4").tobytes(), 9)
    Path(os.environ["OUTPUT_DIR"], "counts.bin").write_bytes(content)
    print(f"counted {pairs.sum()} pairs: {len(content)} bytes", flush=True)


class Counts:
    """A bigram model of counts, mixed with the counts of single tokens."""

    def __init__(self, pairs) -> None:
        self.pairs = pairs.float()  # [V, V]: how often the second token followed the first
        self.single, self.total = self.pairs.sum(dim=0) + 1, self.pairs.sum(dim=1)
        self.last = None  # the last token that was observed

    def __call__(self, tokens, first: int):
        """Logits ``float32[B, T - first, V]`` of ``tokens: int64[B, T]``."""
        asked = tokens[:, first:]
        # DECIDE: how far a row's counts are trusted; 20 pairs weigh as much as single tokens.
        single = 20 * self.single / self.single.sum()
        mixed = (self.pairs[asked] + single) / (self.total[asked] + 20)[..., None]
        return mixed.log()

    def observe(self, tokens) -> None:
        """Count ``tokens: int64[M]``, each of which has been scored. DECIDE: what else to learn."""
        import torch

        if self.last is not None:
            tokens = torch.cat((self.last, tokens))
        # DECIDE: a pair of this text counts as ten of the train text.
        ten = torch.full((len(tokens) - 1,), 10.0, device=tokens.device)
        self.pairs.index_put_((tokens[:-1], tokens[1:]), ten, accumulate=True)
        self.total.index_add_(0, tokens[:-1], ten)
        self.single.index_add_(0, tokens[1:], ten)
        self.last = tokens[-1:].clone()


def load_model(artifact: Path, device) -> Counts:
    """Called by the referee, without environment and data: all that is known is in the artifact."""
    import torch

    pairs = np.frombuffer(zlib.decompress(Path(artifact).read_bytes()), "<i4")
    size = int(len(pairs) ** 0.5)
    return Counts(torch.from_numpy(pairs.reshape(size, size).copy()).to(device))


if __name__ == "__main__":
    train()
