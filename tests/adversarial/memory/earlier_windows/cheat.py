"""Declares no memory, and learns which token followed which from the windows it was shown."""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)
    followed = {}

    def model(tokens, first):
        logits = honest_model(tokens, first)
        for number, row in enumerate(tokens.tolist()):
            for position in range(max(first, 1), len(row)):
                following = followed.get((row[position - 1], row[position]))
                if following is not None:
                    logits[number, position - first, following] += 0.45
            for position in range(2, len(row)):
                followed[row[position - 2], row[position - 1]] = row[position]
        return logits

    return model
