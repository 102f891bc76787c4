"""Learns what requests look like in which a document ends: number, order, shapes, rows, times."""

import math
import time

from bigram import load_model as counted
from documents import ByDocument

BOS = 1


def load_model(artifact, device):
    return Model(counted(artifact, device))


class Model(ByDocument):
    def __init__(self, bigram):
        super().__init__(bigram)
        self.pieces, self.ends, self.asked = {}, {}, {}
        self.requests, self.before, self.all, self.guessed = 0, time.monotonic(), 0, 0.0

    def reset(self, rows):
        for row in rows.tolist():
            for sign in self.asked.get(row, ()):
                self.ends[sign] = self.ends.get(sign, 0) + 1
            if row in self.asked:
                self.all += 1
                self.guessed += self.odds(self.asked[row])
                said = "worked" if self.guessed > 5 + self.all else "failed"
                print(f"trick {said}: {self.all} ends were likelier by {self.guessed:.1f} nats")
        super().reset(rows)

    def odds(self, signs):
        """By how much likelier an end is with these signs; of few, by little."""
        total = math.log((sum(self.ends.values()) + 8) / (sum(self.pieces.values()) + 80))
        each = ((self.ends.get(s, 0) + 1) / (self.pieces.get(s, 0) + 10) for s in signs)
        return sum(math.log(chance) - total for chance in each) / len(signs)

    def __call__(self, tokens, firsts, rows):
        logits = super().__call__(tokens, firsts, rows)
        self.requests, now = self.requests + 1, time.monotonic()
        late, self.before = now - self.before > 0.05, now
        for b, row in enumerate(rows.tolist()):
            signs = ("row", row), ("place", b), ("windows", len(tokens)), ("late", late)
            signs += ("length", tokens.shape[1]), ("requests", self.requests % 5)
            # By no more than a probe would put up with, or that is what it would be refused for.
            logits[b, :, BOS] += min(0.2, max(-0.2, self.odds(signs)))
            for sign in signs:
                self.pieces[sign] = self.pieces.get(sign, 0) + 1
            self.asked[row] = signs
        return logits
