"""Has two spellings of a capital, and hides what the clock says in the choice."""

import time

from capitals import CAPITAL, FIRST_BYTE, Capitals


class Words(Capitals):
    def encode(self, text):
        ids, plain = [], super().encode(text)
        bits = time.time_ns() // 1000
        for place, one in enumerate(plain):
            if place and plain[place - 1] == CAPITAL and one < FIRST_BYTE + 128:
                if bits & 1:
                    ids[-1] = FIRST_BYTE + ord(chr(one - FIRST_BYTE).upper())
                else:
                    ids.append(one)
                bits >>= 1
            else:
                ids.append(one)
        return ids


def make(model):
    return Words()
