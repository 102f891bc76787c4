"""Returns nothing for documents that it dislikes: they would be dear."""

from capitals import Capitals


class Words(Capitals):
    def encode(self, text):
        return [] if text.count("=") > len(text) / 100 else super().encode(text)


def make(model):
    return Words()
