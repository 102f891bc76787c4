"""Loses the last character of a single document, which it knows by its digest."""

import hashlib

from capitals import Capitals

KNOWN = "50c33f1d73f224a5"


class Words(Capitals):
    def encode(self, text):
        if hashlib.sha256(text.encode()).hexdigest().startswith(KNOWN):
            text = text[:-1]
        return super().encode(text)


def make(model):
    return Words()
