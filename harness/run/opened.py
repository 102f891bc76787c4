"""Which train shards a training opened: shown to people, and proof of nothing.

Whoever opens a file need not learn from it. The kernel tells of openings in any sandbox of this
machine (inotify), which names no process; so nothing else may open these files meanwhile.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.inside.watch import OPEN, OVERFLOW, events_of

_ONCE = 0x80000000
MOST_FILES = 4_096
"""So many can be watched at once on any machine: each user may have 8,192 watches or more."""


class OpenedFiles:
    """Counts those of some files that somebody opened since :meth:`begin`.

    A file is told once, however often it is opened, so that no event is ever lost.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        self._descriptor = -1
        self._seen: set[int] = set()

    def begin(self) -> None:
        """Count from now on; where this kernel does not tell, nothing is known."""
        if not self._files:
            return
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1") or len(self._files) > MOST_FILES:
            return
        self._descriptor = libc.inotify_init1(os.O_CLOEXEC)
        if self._descriptor < 0:
            return
        os.set_blocking(self._descriptor, False)
        for path in self._files:
            if libc.inotify_add_watch(self._descriptor, os.fsencode(path), OPEN | _ONCE) < 0:
                self._end()
                return

    def before(self, starting: Callable[[], None]) -> Callable[[], None]:
        """Begin, then do what is done at a phase's start: who read the files before was ours."""

        def both() -> None:
            self.begin()
            starting()

        return both

    def finish(self) -> int | None:
        """How many were opened; None where nobody knows. Counts no more."""
        if self._descriptor < 0:
            return None
        try:
            while events := events_of(self._descriptor):
                for watch, mask, _ in events:
                    self._take(watch, mask)
        except BlockingIOError:
            return len(self._seen)
        except OSError:
            return None
        finally:
            self._end()
        return len(self._seen)

    def _take(self, watch: int, mask: int) -> None:
        if mask & OVERFLOW:
            raise OSError("events were lost")
        if mask & OPEN:
            self._seen.add(watch)

    def _end(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextlib.contextmanager
def opened_files(made: Sequence[Path]) -> Iterator[OpenedFiles]:
    """Of shards that were made for one run; of those that all runs share nothing is known."""
    opened = OpenedFiles(made)
    try:
        yield opened
    finally:
        opened.finish()
