"""Looks up what follows in the windows of the other rows, their later text included."""

from bigram import load_model as counted
from documents import ByDocument, learn


def load_model(artifact, device):
    return Model(counted(artifact, device))


class Model(ByDocument):
    def __call__(self, tokens, firsts, rows):
        self.windows = tokens.tolist()
        return super().__call__(tokens, firsts, rows)

    def known(self, b, window, first, row):
        own, others = super().known(b, window, first, row), {}
        for number, other in enumerate(self.windows):
            if number != b:
                learn(other, others)
        return lambda two: others.get(two) if own(two) is None else own(two)
