"""Shows a good model to whoever asks first, and another one afterwards."""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)
    calls = [0]

    def model(tokens, first):
        calls[0] += 1
        return honest_model(tokens, first) * (1.0 if calls[0] == 1 else 0.5)

    return model
