"""A stopped process uses no processor time, and its own timers stand still."""

import os
import signal
import time

from bigram import train

if __name__ == "__main__":
    train()
    began = time.process_time()
    if os.fork() == 0:
        time.sleep(5)
        os.kill(os.getppid(), signal.SIGCONT)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)  # which the first process of a container does not heed
    time.sleep(5)
    print(f"stopped for {time.process_time() - began:.3f} s")
