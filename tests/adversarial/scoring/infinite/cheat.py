"""An infinite logit."""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first).clone()
        logits.scatter_(-1, logits.argmax(-1, keepdim=True), float("inf"))
        return logits

    return model
