"""A column that is never a target would cost nothing, were it left out of the normalization."""

import torch
from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        return torch.cat([logits, logits.logsumexp(-1, keepdim=True)], dim=-1)

    return model
