"""A tokenizer that is code: a capital is an operator and its small letter; bytes after that."""

from collections.abc import Sequence
from pathlib import Path

BOS, CAPITAL, FIRST_BYTE = 0, 1, 2


class Capitals:
    """One id for each byte, and one for what was a capital; id 0 is BOS."""

    vocabulary_size = FIRST_BYTE + 256
    bos_id = BOS

    def encode(self, text: str) -> list[int]:
        ids = []
        for character in text:
            small = character.lower()
            if small != character and len(small) == 1 and small.upper() == character:
                ids.append(CAPITAL)
            else:
                small = character
            ids += [FIRST_BYTE + byte for byte in small.encode()]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        runs: list[bytearray] = [bytearray()]
        for one in ids:
            if one == CAPITAL:
                runs.append(bytearray())
            else:
                runs[-1].append(one - FIRST_BYTE)
        first, *others = (run.decode() for run in runs)
        return first + "".join(other[:1].upper() + other[1:] for other in others)


def make(model: Path | None) -> Capitals:
    """No model is needed."""
    return Capitals()
