"""A clock that stops with the first process would count a hundredth of a second."""

import os
import time

if __name__ == "__main__":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            from bigram import train

            time.sleep(1)
            train()
            time.sleep(60)
    os._exit(0)
