"""Whoever imports pydantic, worker or harness from this folder runs its code."""

from bigram import load_model as honest


def load_model(artifact, device):
    print("trick failed: the worker had its own modules already", flush=True)
    return honest(artifact, device)
