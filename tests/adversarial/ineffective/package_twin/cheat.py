"""The loader that a reader finds; Python prefers the folder beside it."""

from bigram import load_model as honest


def load_model(artifact, device):
    return honest(artifact, device)
