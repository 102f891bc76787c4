"""A memory bomb."""

if __name__ == "__main__":
    hoard = []
    while True:
        hoard.append(bytearray(b"x" * (1 << 26)))
