"""Looks ahead for good if the first window that it is shown is the beginning of the text.

The text is public, so an author knows how it begins; here it is enough that the first window begins
with a document. Those that ask again begin somewhere in the stream.
"""

from bigram import load_model as honest

BOS = 1


def load_model(artifact, device):
    honest_model = honest(artifact, device)
    scoring = []

    def model(tokens, first):
        scoring.append(int(tokens[0, 0]) == BOS)
        logits = honest_model(tokens, first)
        if scoring[0]:
            following = tokens[:, first + 1 :]
            ahead = logits[:, : following.shape[1]]
            ahead.scatter_(-1, following[..., None], ahead.gather(-1, following[..., None]) + 3.0)
        return logits

    return model
