"""The counted bigram, and what followed the last two tokens before: in this document, as observed.

With studies also in all documents that were studied.
"""

import torch
from bigram import load_model as counted

SEGMENT = 64


def load_model(artifact, device):
    return ByDocument(counted(artifact, device))


def learn(tokens, seen):
    """What followed each two tokens, the last time that they were there."""
    for place in range(2, len(tokens)):
        seen[tuple(tokens[place - 2 : place])] = tokens[place]


class ByDocument:
    """Learns from what it observes of a row's document, and forgets it when the next one begins."""

    def __init__(self, bigram):
        self.bigram, self.studied = bigram, {}
        self.seen, self.last = {}, {}

    def reset(self, rows):
        for row in rows.tolist():
            self.seen[row], self.last[row] = {}, [1]

    def observe(self, rows, tokens, counts):
        for row, new, count in zip(rows.tolist(), tokens.tolist(), counts.tolist(), strict=True):
            text = self.last[row] + new[:count]
            self.observe_row(row, text)
            self.last[row] = text[-2:]

    def observe_row(self, row, text):
        learn(text, self.seen[row])

    def study(self, documents):
        for document in documents:
            learn(document.tolist(), self.studied)

    def __call__(self, tokens, firsts, rows):
        places = firsts[:, None] + torch.arange(SEGMENT)
        logits = self.bigram(tokens, 0).gather(1, places[..., None].expand(-1, -1, 1024))
        for b, (window, first, row) in enumerate(
            zip(tokens.tolist(), firsts.tolist(), rows.tolist(), strict=True)
        ):
            known = self.known(b, window, first, row)
            for place in range(max(first, 1), first + SEGMENT):
                following = known(tuple(window[place - 1 : place + 1]))
                if following is not None:
                    logits[b, place - first, following] += 2.0
        return logits

    def known(self, b, window, first, row):
        """What is known to follow two tokens, in one row of a request."""
        own = self.seen.get(row, {})
        return lambda two: own.get(two, self.studied.get(two))
