"""Finds the worker's socket and answers twice."""

import sys

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first).clone()
        caller = sys._getframe(1).f_locals
        caller["self"].channel.sendall(caller["request"]._replace(kind=3, dtype=1).pack())
        return logits

    return model
