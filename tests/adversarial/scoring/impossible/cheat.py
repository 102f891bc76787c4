"""All or nothing."""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first).clone()
        guess = logits.argmax(-1, keepdim=True)
        logits = logits.new_full(logits.shape, float("-inf")).scatter_(-1, guess, 0.0)
        return logits

    return model
