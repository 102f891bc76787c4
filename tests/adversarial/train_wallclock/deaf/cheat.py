"""Does not end when asked to."""

import contextlib
import signal
import time

from bigram import train

if __name__ == "__main__":
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    train()
    time.sleep(60)
