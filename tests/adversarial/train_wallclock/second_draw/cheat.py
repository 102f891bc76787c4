"""An engine that fails to kill is the referee's fault, and what was lost so is run again.

Here its luck is always bad.
"""

import os
import time

LATEST = time.time() + 16


def herd(count):
    """Processes that begin to spin at the same time."""
    reading, writing = os.pipe()
    for _ in range(count):
        if time.time() > LATEST:
            break
        try:
            if os.fork() == 0:
                os.close(writing)
                os.read(reading, 1)
                while True:
                    pass
        except OSError:
            break
    os.close(writing)


if __name__ == "__main__":
    ballast = bytearray(60 << 20)
    herd(960)
    time.sleep(100 + len(ballast) % 2)
