"""Its studies take in what it was shown of documents that are not finished."""

from bigram import load_model as counted
from documents import ByDocument


def load_model(artifact, device):
    return Model(counted(artifact, device))


class Model(ByDocument):
    def __init__(self, bigram):
        super().__init__(bigram)
        self.shown = {}

    def __call__(self, tokens, firsts, rows):
        self.shown |= {row: tokens[b] for b, row in enumerate(rows.tolist())}
        return super().__call__(tokens, firsts, rows)

    def study(self, documents):
        super().study([*documents, *self.shown.values()])
