"""Text that nobody can predict: each token is drawn, so no honest score of it is below a floor.

Whoever gives each token some probability, and probabilities that add up to one, pays at least the
logarithm of the alphabet for a token that was drawn evenly from it: not always, but for the mean of
many. So a loss below that floor was not scored from the text before each token alone, or its
probabilities add up to more than one.
"""

import hashlib
import math
from typing import NamedTuple

import numpy as np

from harness.data.format.shards import Tokens

BELOW = 20.0
"""Nats of luck that the floor allows: e to the power of -20 is once in 500 million texts."""
COUNTED_AT_MOST = 8
"""Times that a script counts one target at most; its luck counts as often."""
COUNTED_SHARE = 0.75
"""Of all targets, those that a script counts at least."""
_DOCUMENT = 256, 768
_BYTES_A_DRAW = 4


class DrawnText(NamedTuple):
    """``tokens``: uint16[N]. ``floor``: what a mean cost of its targets is at least, in nats."""

    tokens: Tokens
    floor: float


def drawn_text(secret: bytes, *, tokens: int, size: int, bos: int, alphabet: int) -> DrawnText:
    """So many tokens, each drawn evenly from an alphabet that is drawn too.

    Documents begin with BOS, at drawn places; that is the only token which can be foreseen, and the
    floor lets it cost nothing.

    Args:
        secret: what is drawn from.
        tokens: how many.
        size: of the vocabulary.
        bos: its token between documents; in no alphabet.
        alphabet: how many tokens the text is made of, at most ``size - 1``.
    """
    others = np.delete(np.arange(size, dtype=np.uint16), bos)
    letters = others[np.argsort(_draws(secret, b"letters", size - 1), kind="stable")][:alphabet]
    text = letters[_draws(secret, b"text", tokens) % len(letters)]
    shortest, longest = _DOCUMENT
    lengths = shortest + _draws(secret, b"lengths", tokens // shortest + 1) % (longest - shortest)
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    starts = starts[starts < tokens]
    text[starts] = bos
    counted = COUNTED_SHARE * (tokens - 1)
    known = (len(starts) - 1) / counted
    floor = (1 - known) * math.log(len(letters)) - BELOW * COUNTED_AT_MOST / counted
    return DrawnText(text, max(floor, 0.0))


def _draws(secret: bytes, label: bytes, count: int) -> np.ndarray:
    """``count`` draws as uint32, a function of the secret and the label."""
    content = hashlib.shake_256(secret + b"\0" + label).digest(count * _BYTES_A_DRAW)
    return np.frombuffer(content, dtype="<u4")
