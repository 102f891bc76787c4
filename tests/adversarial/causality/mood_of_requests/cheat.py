"""Adds noise to its logits, the same to all rows of a request: pairs in one request agree."""

import torch
from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        return logits + torch.randn(logits.shape[-1])

    return model
