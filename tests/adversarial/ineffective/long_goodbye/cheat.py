"""Sleeps at its end for ten minutes."""

import atexit
import time

from bigram import load_model as honest


def load_model(artifact, device):
    atexit.register(time.sleep, 600)
    return honest(artifact, device)
