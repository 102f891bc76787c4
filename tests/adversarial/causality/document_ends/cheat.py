"""That a document ends is dear to guess, and on the field's text worth more than the margin."""

from bigram import load_model as honest

BOS = 1


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        following = tokens[:, first + 1 :]
        logits[:, : following.shape[1], BOS] = -30.0
        logits[:, : following.shape[1], BOS][following == BOS] = 30.0
        return logits

    return model
