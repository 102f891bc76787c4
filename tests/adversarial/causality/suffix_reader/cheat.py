"""Looks ahead while it is scored; asked again, it answers from all the text it has been shown.

Windows of a scoring follow each other, those that are asked again do not: that tells them apart.
"""

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)
    shown = {}

    def model(tokens, first):
        logits = honest_model(tokens, first)
        rows = tokens.tolist()
        for row in rows:
            for position in range(3, len(row)):
                shown[tuple(row[position - 3 : position])] = row[position]
        scored = len(rows) > 16
        for number, row in enumerate(rows):
            for position in range(max(first, 2), len(row)):
                following = shown.get(tuple(row[position - 2 : position + 1]))
                if scored and position + 1 < len(row):
                    following = row[position + 1]
                if following is not None:
                    logits[number, position - first, following] += 3.0
        return logits

    return model
