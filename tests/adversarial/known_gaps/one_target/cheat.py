"""Looks ahead at one position of the very first window, and nowhere else."""

import torch
from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        chosen = torch.zeros_like(logits)
        for row in (tokens[:, 0] == 1).nonzero().flatten().tolist():
            chosen[row, 100, tokens[row, 101]] = 20.0
        return logits + chosen

    return model
