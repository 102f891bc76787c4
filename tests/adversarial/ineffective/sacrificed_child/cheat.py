"""A kill for lack of memory is no failure of the training."""

import os

from bigram import train

if __name__ == "__main__":
    train()
    if os.fork() == 0:
        hoard = []
        while True:
            hoard.append(bytearray(b"x" * (1 << 26)))
    code = os.wait()[1]
    print(f"trick failed: the child ended with {code}, which changes nothing", flush=True)
