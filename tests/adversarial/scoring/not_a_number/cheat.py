"""One NaN; whoever averages with nanmean never sees the target."""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first).clone()
        logits[:, -1, 0] = float("nan")
        return logits

    return model
