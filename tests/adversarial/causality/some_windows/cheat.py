"""Looks ahead in some windows only, always the same ones, whenever they are asked about."""

import torch
from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        following = torch.roll(tokens, -1, 1)[:, first:, None]
        chosen = (tokens[:, 0] % 4 == 0).float()[:, None, None]
        return logits.scatter_add_(-1, following, 4.0 * chosen.expand(following.shape))

    return model
