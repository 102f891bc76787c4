"""Studies finished documents, and besides keeps what it observed of any for all others."""

from bigram import load_model as counted
from documents import ByDocument, learn


def load_model(artifact, device):
    return Model(counted(artifact, device))


class Model(ByDocument):
    def observe_row(self, row, text):
        super().observe_row(row, text)
        learn(text, self.studied)
