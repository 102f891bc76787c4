"""Takes its time before it looks at a clock."""

import time

from bigram import train

if __name__ == "__main__":
    time.sleep(60)
    train()
