"""Drops the tail of the split."""

import os

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)
    calls = []

    def model(tokens, first):
        logits = honest_model(tokens, first).clone()
        calls.append(len(tokens))
        if len(calls) == 2:
            os._exit(0)
        return logits

    return model
