"""Brings a file of which the manifest says nothing."""

from pathlib import Path

from bigram import load_model as honest


def load_model(artifact, device):
    found = Path(__file__).with_name("weights.txt").exists()
    print("trick worked: the file is there" if found else "trick failed: no such file")
    return honest(artifact, device)
