"""Looks in its tokenizer for what it brought there beside pieces."""

import os
import struct
from pathlib import Path

from bigram import load_model as honest
from bigram import train

MODEL = Path(__file__).with_name("tokenizer.model")


def look(*paths):
    found = []
    for path in paths:
        content = path.read_bytes()
        if b"weights: " in content:
            found.append(f"notes in {path}")
        if any(score % 1 for score in scores(content)):
            found.append(f"scores in {path}")
    print(f"trick worked: {found}" if found else "trick failed: no notes, and scores are ranks")


def scores(content):
    """Of every piece: field 2 of each field 1."""
    for number, piece in fields(content):
        if number == 1:
            yield from (
                struct.unpack("<f", value)[0] for inner, value in fields(piece) if inner == 2
            )


def fields(content):
    at = 0

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            at, byte = at + 1, content[at]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(content):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
            continue
        size = number() if key & 7 == 2 else 4
        yield key >> 3, content[at : at + size]
        at += size


def load_model(artifact, device):
    look(MODEL)
    return honest(artifact, device)


if __name__ == "__main__":
    train()
    look(MODEL, Path(os.environ["TOKENIZER_PATH"]))
