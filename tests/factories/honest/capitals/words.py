"""A tokenizer that is code: a capital is an operator and its small letter; pieces after that."""

from collections.abc import Sequence
from pathlib import Path

BOS, CAPITAL, FIRST_BYTE, FIRST_PIECE = 0, 1, 2, 258


class Capitals:
    """One id for each piece or byte, and one for what was a capital; id 0 is BOS."""

    bos_id = BOS

    def __init__(self, pieces: Sequence[str] = ()) -> None:
        self.pieces = [piece.encode() for piece in pieces]
        self.ids = {piece: FIRST_PIECE + place for place, piece in enumerate(pieces)}
        self.longest = max(map(len, pieces), default=1)
        self.vocabulary_size = FIRST_PIECE + len(pieces)

    def encode(self, text: str) -> list[int]:
        ids, at = [], 0
        while at < len(text):
            small = text[at].lower()
            if small != text[at] and len(small) == 1 and small.upper() == text[at]:
                ids.append(CAPITAL)
            else:
                small = text[at]
            ahead = small + text[at + 1 : at + self.longest]
            for length in range(len(ahead), 1, -1):
                if ahead[:length] in self.ids:
                    ids.append(self.ids[ahead[:length]])
                    at += length
                    break
            else:
                ids += [FIRST_BYTE + byte for byte in small.encode()]
                at += 1
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        runs: list[bytearray] = [bytearray()]
        for one in ids:
            if one == CAPITAL:
                runs.append(bytearray())
            elif one < FIRST_PIECE:
                runs[-1].append(one - FIRST_BYTE)
            else:
                runs[-1] += self.pieces[one - FIRST_PIECE]
        first, *others = (run.decode() for run in runs)
        return first + "".join(other[:1].upper() + other[1:] for other in others)


def make(model: Path | None) -> Capitals:
    """The pieces stand in the model, one in each line."""
    return Capitals(model.read_text().split("\n")[:-1] if model else ())
