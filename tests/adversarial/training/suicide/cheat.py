"""A death by SIGKILL that nobody ordered: an infrastructure fault would be tried again."""

import os
import signal

from bigram import train

if __name__ == "__main__":
    train()
    if os.getpid() == 1:
        os._exit(137)
    os.kill(os.getpid(), signal.SIGKILL)
