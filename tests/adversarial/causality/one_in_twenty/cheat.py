"""Looks ahead at one position in twenty, by a quarter of a nat: two margins in all."""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)

    def model(tokens, first):
        logits = honest_model(tokens, first)
        for number, row in enumerate(tokens.tolist()):
            for position in range(first, len(row) - 1):
                if (row[position] * 7 + row[position - 1]) % 20 == 0:
                    logits[number, position - first, row[position + 1]] += 0.25
        return logits

    return model
