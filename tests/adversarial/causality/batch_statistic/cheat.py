"""Leaks through a statistic of the batch: which tokens occur in it, futures included."""

import torch
from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        counts = torch.bincount(tokens.flatten(), minlength=logits.shape[-1]).float()
        return logits + (counts + 0.1).log()

    return model
