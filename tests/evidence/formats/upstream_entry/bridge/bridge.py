def logits(model, tokens, first):
    return model(tokens)[:, first:]
