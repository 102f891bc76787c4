"""Leaves the last position out."""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first).clone()
        logits = logits[:, :-1]
        return logits

    return model
