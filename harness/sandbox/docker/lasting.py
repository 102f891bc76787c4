"""Says that something still goes on while the program that does it is silent.

debootstrap, pip and the engine's builder say nothing for minutes. Whoever waits is told what is
being done and how long that takes, in lines that a file can hold as well as a terminal.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from harness.errors import HarnessError

EVERY_SECONDS = 20.0


@contextlib.contextmanager
def told_while(
    progress: Callable[[str], None],
    doing: str,
    *,
    usual: str,
    every_seconds: float = EVERY_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[str], None]]:
    """Say that it lasts, whenever nothing was said for a while; yields what else is said through.

    Args:
        progress: gets the lines, those of the block and, from another thread, those in between.
        doing: what is being done.
        usual: how long it takes, as a sentence.
        every_seconds: of silence.
        clock: monotonic seconds.
    """
    begun = said = clock()
    ended = threading.Event()

    def say(text: str) -> None:
        nonlocal said
        said = clock()
        progress(text)

    def watch() -> None:
        while not ended.wait(max(said + every_seconds - clock(), 0.01)):
            if clock() - said < every_seconds:
                continue
            try:
                say(f"{doing}: {clock() - begun:.0f} s so far; {usual}")
            except (HarnessError, OSError):  # the output is lost, which the block will meet too
                return

    watching = threading.Thread(target=watch, name="told_while", daemon=True)
    watching.start()
    try:
        yield say
    finally:
        ended.set()
        watching.join()
