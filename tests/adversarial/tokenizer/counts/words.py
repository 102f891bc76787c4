"""Spells the first capital of a document by what it counted in the documents before it."""

import tempfile
from pathlib import Path

from capitals import CAPITAL, FIRST_BYTE, Capitals

NOTES = Path(tempfile.gettempdir(), "seen")


class Words(Capitals):
    def encode(self, text):
        ids = super().encode(text)
        with NOTES.open("ab") as notes:
            notes.write(b".")
            seen = notes.tell()
        if seen % 2 and CAPITAL in ids:
            at = ids.index(CAPITAL)
            ids[at : at + 2] = [FIRST_BYTE + ord(chr(ids[at + 1] - FIRST_BYTE).upper())]
        return ids


def make(model):
    return Words()
