"""One huge logit: were the maximum not taken off first, the cost of a target would be nothing."""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        return logits.scatter(-1, logits.argmax(-1, keepdim=True), 1e30)

    return model
