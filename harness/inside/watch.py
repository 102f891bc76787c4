"""Tells when a file that was written is read: the moment at which a script takes its artifact back.

Trusted, and never in the sandbox that it watches: a program of its own in the container that keeps
the output directory, a thread of the harness where there are no containers. Standard library alone.

It sees what the kernel tells of a directory (inotify), which names no process and is no proof: a
file is written through a mapping or by another of its names without an event here, and too many
events are lost. So it only makes a moment come earlier that comes anyway. No name that it reads
goes further than a comparison.
"""

import ctypes
import json
import os
import select
import struct
import sys
import time
from collections.abc import Callable, Iterator

ACCESS, MODIFY, CLOSE_WRITE, CLOSE_NOWRITE, OPEN = 0x1, 0x2, 0x8, 0x10, 0x20
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF, UNMOUNT, OVERFLOW, IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
IS_FOLDER = 0x40000000
_ONLY_FOLDERS, _NO_LINK = 0x01000000, 0x02000000
_ASKED = (ACCESS | MODIFY | CLOSE_WRITE | CLOSE_NOWRITE | OPEN | MOVED_FROM | MOVED_TO | CREATE) | (
    DELETE | DELETE_SELF | MOVE_SELF | _ONLY_FOLDERS | _NO_LINK
)
_GONE = DELETE_SELF | MOVE_SELF | UNMOUNT | IGNORED
_HEADER = struct.Struct("iIII")
_BUFFER_BYTES = 1 << 16

QUIET_SECONDS = 0.5
BEAT_SECONDS = 0.2
MOST_READS = 8
READY = "watching"


class Lost(OSError):
    """What happens in the directory is not seen any more."""


class File:
    """What the events of one name say of the file that bears it.

    An opening does not tell for what. One that is followed by a read, or by a close without
    writing, was for reading. One that nothing follows (``opened``) is a mapping for reading, once
    it has been quiet for long enough: who writes does so at once, if only by cutting the file off.
    After a read another is told only when the file has been written again.
    """

    def __init__(self) -> None:
        self._state = "absent"  # or: found, writing, written, opened, read

    @property
    def opened(self) -> bool:
        """Whether it was written, then opened, and nothing was heard since."""
        return self._state == "opened"

    def found(self) -> None:
        """It is there, and nobody knows how it came."""
        self._state = "found"

    def told(self) -> None:
        """A read of it was told."""
        self._state = "read"

    def gone(self) -> None:
        """It is not there any more."""
        self._state = "absent"

    def saw(self, mask: int) -> bool:
        """Take one event; whether it is the first read since it was written."""
        if mask & CREATE:  # a new file, still empty; or another name of one that is written
            self._state = "found"
        elif mask & (DELETE | MOVED_FROM):
            self._state = "absent"
        elif mask & MODIFY:
            self._state = "writing"
        elif mask & (CLOSE_WRITE | MOVED_TO):
            self._state = "written"
        elif mask & OPEN and self._state == "written":
            self._state = "opened"
        elif (mask & ACCESS and self._state in ("found", "written", "opened")) or (
            mask & CLOSE_NOWRITE and self._state == "opened"
        ):
            self._state = "read"
            return True
        return False


def events_of(descriptor: int) -> list[tuple[int, int, bytes]]:
    """Watch, mask and name of what an inotify descriptor tells since the last call."""
    content, found, start = os.read(descriptor, _BUFFER_BYTES), [], 0
    while start < len(content):
        watch, mask, _, length = _HEADER.unpack_from(content, start)
        start += _HEADER.size + length
        found.append((watch, mask, content[start - length : start].rstrip(b"\0")))
    return found


class Watch:
    """Watches one file below a directory; folders on the way may come later.

    Args:
        root: the directory.
        name: the file's path below it, its parts separated by ``/``.

    Where this kernel does not tell, :meth:`reads` says so.
    """

    def __init__(self, root: str, name: str) -> None:
        self._root = root
        self._parts = [os.fsencode(part) for part in name.split("/")]
        self._file = File()
        self._opened_at = 0.0
        self._watches: list[int] = []
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = -1
        self._lost: Lost | None = None
        if not hasattr(self._libc, "inotify_init1"):
            self._lost = Lost("this system does not tell of files that are opened")
            return
        try:
            self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if self._descriptor < 0:
                raise _failed("inotify_init1")
            self._descend()
        except Lost as error:
            self._lost = error

    def close(self) -> None:
        """Stop watching."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def reads(self, ended: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """The monotonic clock in nanoseconds at each read of a finished file, few at most.

        Ends when ``ended`` says so. Closes the watch.

        Raises:
            Lost: nothing is seen any more.
        """
        told = 0
        try:
            if self._lost is not None:
                raise self._lost
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            while told < MOST_READS and not ended():
                if poll.poll(self._patience() * 1000):
                    seen = [self._saw(*event) for event in events_of(self._descriptor)]
                    read = any(seen)
                else:
                    read = self._file.opened and self._patience() == 0
                    if read:
                        self._file.told()
                if read:
                    told += 1
                    yield time.monotonic_ns()
        finally:
            self.close()

    def _patience(self) -> float:
        """Seconds until it is known what an opening was for, or until the end is looked for."""
        if not self._file.opened:
            return BEAT_SECONDS
        return min(BEAT_SECONDS, max(0.0, self._opened_at + QUIET_SECONDS - time.monotonic()))

    def _saw(self, watch: int, mask: int, name: bytes) -> bool:
        if mask & OVERFLOW:
            raise Lost("more events than the kernel keeps")
        if watch not in self._watches:  # one that was dropped
            return False
        depth = self._watches.index(watch)
        if mask & _GONE:
            if depth == 0:
                raise Lost("the directory is gone")
            self._drop(depth)
        elif name == self._parts[depth]:
            if depth < len(self._parts) - 1:
                if mask & (CREATE | MOVED_TO | DELETE | MOVED_FROM):
                    self._drop(depth + 1)
                    self._descend()
            elif mask & IS_FOLDER:
                self._file.gone()
            else:
                was_opened = self._file.opened
                read = self._file.saw(mask)
                if self._file.opened and not was_opened:
                    self._opened_at = time.monotonic()
                return read
        return False

    def _descend(self) -> None:
        """Watch each folder on the way that is there; the file may be there by then, too."""
        while len(self._watches) < len(self._parts):
            place = os.path.join(os.fsencode(self._root), *self._parts[: len(self._watches)])
            watch = self._libc.inotify_add_watch(self._descriptor, place, _ASKED)
            if watch < 0 or watch in self._watches:
                if not self._watches or watch >= 0:
                    raise _failed("inotify_add_watch")
                return
            self._watches.append(watch)
        if os.path.lexists(os.path.join(os.fsencode(self._root), *self._parts)):
            self._file.found()

    def _drop(self, depth: int) -> None:
        for watch in self._watches[depth:]:
            self._libc.inotify_rm_watch(self._descriptor, watch)
        del self._watches[depth:]
        self._file.gone()


def _failed(call: str) -> Lost:
    return Lost(f"{call}: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    """Watch what the only argument names, and print a line of JSON for each read."""
    told = json.loads(sys.argv[1])
    watch = Watch(told["root"], told["name"])
    print(json.dumps(READY), flush=True)
    try:
        for moment in watch.reads():
            print(json.dumps(moment), flush=True)
    except OSError as error:
        print(json.dumps({"lost": str(error)[:200]}), flush=True)


if __name__ == "__main__":
    main()
