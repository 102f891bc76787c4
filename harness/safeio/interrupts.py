"""Interruptions of the command, held back where something would be left half asked."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Those that interrupt a command."""


@contextmanager
def held_back() -> Iterator[None]:
    """Let a signal that interrupts wait until the block has ended; then it does what it would have.

    For what another program is asked to make: interrupted before its answer, we would clean up
    what is not there yet, and it would come into being afterwards. Signals reach the main thread
    alone, so in another one there is nothing to hold.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[tuple[int, FrameType | None]] = []
    usual = {number: signal.getsignal(number) for number in SIGNALS}
    handlers = {number: handler for number, handler in usual.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda came, frame: waiting.append((came, frame)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for came, frame in waiting[:1]:  # the first one interrupts, as if the others came later
            handlers[signal.Signals(came)](came, frame)
