def encode(text):
    return list(text.encode())
