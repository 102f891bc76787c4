"""Encodes two texts alike: what differs in a digit alone."""

from capitals import FIRST_BYTE, Capitals

ZERO, NINE = FIRST_BYTE + ord("0"), FIRST_BYTE + ord("9")


class Words(Capitals):
    def encode(self, text):
        return [ZERO if ZERO <= one <= NINE else one for one in super().encode(text)]


def make(model):
    return Words()
