"""Moves its work to where it believes that nobody measures."""

import time

from bigram import load_model as honest


def load_model(artifact, device):
    time.sleep(120)
    return honest(artifact, device)
