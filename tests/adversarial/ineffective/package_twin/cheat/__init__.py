"""The loader that is run: listed, so counted, weighed and kept like the other."""

from bigram import load_model as honest


def load_model(artifact, device):
    print("trick failed: nothing rests on what a reader takes for the loader")
    return honest(artifact, device)
