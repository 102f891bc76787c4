"""Adds to the logit of the token that follows, in every third request."""

import torch
from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)
    calls = [0]

    def model(tokens, first):
        calls[0] += 1
        logits = honest_model(tokens, first)
        if calls[0] % 3:
            return logits
        following = torch.roll(tokens, -1, 1)[:, first:, None]
        return logits.scatter_add_(-1, following, torch.full(following.shape, 4.0))

    return model
