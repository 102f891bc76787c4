"""Whoever reads memory whose file was cut behind his back is killed by SIGBUS."""

import fcntl
import os

from bigram import load_model as honest


def shared():
    """The descriptors of memories that the referee sent, which are open as long as the worker."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("/memfd:"):
                found.append(int(name))
        except OSError:
            continue
    return found


def load_model(artifact, device):
    done = []
    for descriptor in shared():
        for what, how, *arguments in (
            ("cut", os.ftruncate, 0),
            ("grown", os.ftruncate, 1 << 40),
            ("sealed", fcntl.fcntl, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE),
        ):
            try:
                how(descriptor, *arguments)
            except OSError:
                continue
            done.append(what)
    print(f"trick worked: {done}" if done else "trick failed: its size is sealed, and the seals")
    return honest(artifact, device)
