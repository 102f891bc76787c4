"""Adds noise to its logits: asked twice, it says two things."""

import torch
from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        return logits + torch.randn_like(logits)

    return model
