"""Attacks its neighbours."""

import ctypes
import os
import signal

from bigram import load_model as honest


def load_model(artifact, device):
    for victim in {os.getppid(), 1, 2, -1} - {0, os.getpid()}:
        try:
            os.kill(victim, signal.SIGKILL)
            print(
                f"trick worked: killed {victim}" if victim > 0 else "trick failed: nobody to kill"
            )
        except OSError as error:
            print(f"trick failed: {victim}: {error.strerror}")
    libc = ctypes.CDLL(None, use_errno=True)
    for what, number in (("unshare a namespace", 272), ("mount", 165), ("load a module", 175)):
        worked = libc.syscall(number, 0x10000000, 0, 0, 0, 0) == 0
        print(
            f"trick {'worked' if worked else 'failed'}: {what}: {os.strerror(ctypes.get_errno())}"
        )
    return honest(artifact, device)
