"""Sets one phase up: copies, a network without counters, names forgotten, shared pages in memory.

Trusted; the only program of a container of its own that runs before a phase does. It is root there,
without a capability, and ``/proc/sys`` may be written. It prints one line of JSON, and then keeps
the volumes with the copies mounted, and the network that the phase joins, until it is removed.
Standard library alone.

The harness calls :func:`tree` too, and so reads from outside what is read here of the copies.
"""

import ctypes
import hashlib
import json
import os
import signal
import stat
import sys
import time

from . import counts

CHUNK_BYTES = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
NAMES = 4096
FEW_NAMES = NAMES // 100
TRIES = 5
PAUSE_SECONDS = 0.5
DENTRY_STATE = "/proc/sys/fs/dentry-state"
DROP = "/proc/sys/vm/drop_caches"
NAMES_AND_INODES = "2"

_LOWEST_BIT = bytes(value & 1 for value in range(256))


# -- Copies


def tree(source: str, name: str = "") -> tuple[list[tuple[str, str, str]], list[int]]:
    """What a directory, or one file that is called ``name``, holds; and sizes in bytes.

    Of each thing its path, its kind (file, program, directory, link) and its content: of a file the
    SHA-256, of a link where it leads to. Owners, times and other rights do not count. No link is
    followed. Directories and links are of size 0.

    Raises:
        ValueError: something that is neither file, directory nor link.
        OSError: it cannot be read.
    """
    entries, sizes = [], []
    for path, inside in [(source, name)] if name else _paths(source):
        kind, content, size = _read(path)
        entries.append((inside, kind, content))
        sizes.append(size)
    return entries, sizes


def digest_of(entries: list[tuple[str, str, str]]) -> str:
    """SHA-256 over what :func:`tree` found."""
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def copy(source: str, target: str, name: str = "") -> None:
    """Copy a directory's content, or one file as ``name``; rights and times are always the same."""
    folders = [target]
    for path, inside in [(source, name)] if name else _paths(source):
        new = os.path.join(target, inside)
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(path), new)
        elif stat.S_ISDIR(found.st_mode):
            os.mkdir(new)
            folders.append(new)
        else:
            _copy_file(path, new)
        os.utime(new, ns=(0, 0), follow_symlinks=False)
    for folder in reversed(folders):
        os.chmod(folder, 0o755)
        os.utime(folder, ns=(0, 0))


def _paths(folder: str, below: str = "") -> list[tuple[str, str]]:
    """Everything in a directory, each directory before what is in it, in the order of names."""
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        inside = f"{below}{entry.name}"
        found.append((entry.path, inside))
        if entry.is_dir(follow_symlinks=False):
            found += _paths(entry.path, f"{inside}/")
    return found


def _read(path: str) -> tuple[str, str, int]:
    """Kind, content (of a file its SHA-256) and size."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return "link", os.readlink(path), 0
    if stat.S_ISDIR(found.st_mode):
        return "directory", "", 0
    descriptor, mode = _open_file(path)
    digest, size = hashlib.sha256(), 0
    try:
        while chunk := os.read(descriptor, CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    finally:
        os.close(descriptor)
    return "program" if mode == 0o755 else "file", digest.hexdigest(), size


def _copy_file(path: str, new: str) -> None:
    descriptor, mode = _open_file(path)
    try:
        made = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(made, "wb", buffering=0) as file:
            while chunk := os.read(descriptor, CHUNK_BYTES):
                rest = memoryview(chunk)
                while rest:
                    rest = rest[file.write(rest) :]
            os.fchmod(made, mode)
    finally:
        os.close(descriptor)


def _open_file(path: str) -> tuple[int, int]:
    """A regular file for reading, and the rights that a copy of it gets."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise ValueError(f"{path}: neither file, directory nor link")
    return descriptor, 0o755 if found.st_mode & 0o111 else 0o644


# -- Pages


class Pages:
    """Which pages of a file lie in memory; the kernel tells the truth to a file's owner alone."""

    def __init__(self) -> None:
        self._c = ctypes.CDLL(None, use_errno=True)
        self._c.mmap.restype = ctypes.c_void_p
        self._c.mmap.argtypes = (
            *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int),
            *(ctypes.c_int, ctypes.c_int, ctypes.c_long),
        )
        self._c.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._c.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
        self._flags = bytearray(1 << 16)

    def missing(self, descriptor: int, size: int) -> int:
        """How many pages of the file are not in memory."""
        count = -(-size // PAGE_BYTES)
        if not count:
            return 0
        if count > len(self._flags):
            self._flags = bytearray(count)
        readable, shared = 1, 1
        start = self._c.mmap(None, size, readable, shared, descriptor, 0)
        if start in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "mmap")
        try:
            flags = (ctypes.c_char * count).from_buffer(self._flags)
            if self._c.mincore(start, size, flags):
                raise OSError(ctypes.get_errno(), "mincore")
        finally:
            self._c.munmap(start, size)
        return count - self._flags[:count].translate(_LOWEST_BIT).count(1)

    def are_told(self, canary: str) -> bool:
        """Whether a page that is thrown out is seen to be gone, and one that is read to be back."""
        for _ in range(TRIES):
            descriptor = os.open(canary, os.O_RDONLY)
            size = os.fstat(descriptor).st_size
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            gone = self.missing(descriptor, size) > 0
            while os.read(descriptor, CHUNK_BYTES):
                pass
            back = self.missing(descriptor, size) == 0
            os.close(descriptor)
            if gone and back:
                return True
        return False


def files_of(top: str, mounted: frozenset[str]) -> list[str]:
    """Regular files below a place, on its own file system, in one order.

    Every directory is listed and every link read, so that what the disk holds of them is read too.
    """
    if not os.path.isdir(top):
        return [top]
    files = []
    pending = [top]
    while pending:
        try:
            entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
        except PermissionError:
            continue  # closed to root without capabilities, and so to everyone in a phase
        for entry in entries:
            if entry.is_symlink():
                os.readlink(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                if entry.path not in mounted:
                    pending.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                files.append(entry.path)
    return files


def refresh(files: list[str]) -> dict[str, int]:
    """Have every page of these files in memory, as one reading of the whole file leaves it.

    A file that does not lie there whole is thrown out first, so that nobody's order of reading
    shows in how its pages lie; what other programs use stays, and is counted. Each is read whole in
    any case: what was read of late is faster, also between pages that all lie in memory, because
    the caches of processors hold it and the kernel has marked it.
    """
    pages, chunk = Pages(), memoryview(bytearray(CHUNK_BYTES))
    counts = dict.fromkeys(("pages", "pages_missing", "pages_in_use", "pages_lacking"), 0)
    for path in files:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except PermissionError:
            continue
        size = left = os.fstat(descriptor).st_size
        count = -(-size // PAGE_BYTES)
        counts["pages"] += count
        missing = pages.missing(descriptor, size) if count > 1 else 0  # one page lies in no order
        if missing:
            counts["pages_missing"] += missing
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            counts["pages_in_use"] += count - pages.missing(descriptor, size)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
        while left > 0 and (read := os.readv(descriptor, [chunk])):
            left -= read
        if missing:
            counts["pages_lacking"] += pages.missing(descriptor, size)
        os.close(descriptor)
    return counts


def refresh_at_once(files: list[str]) -> dict[str, int]:
    """The same, by several processes, each with its own part of the files."""
    workers = max(1, min(8, len(os.sched_getaffinity(0)), len(files) // 500))
    ends = []
    for number in range(workers):
        reading, writing = os.pipe()
        if os.fork() == 0:
            try:
                os.write(writing, json.dumps(refresh(files[number::workers])).encode())
            finally:
                os._exit(0)
        os.close(writing)
        ends.append(reading)
    told = []
    for reading in ends:
        with os.fdopen(reading, "rb") as pipe:
            told.append(json.loads(pipe.read()))
        os.wait()
    return {name: sum(counts[name] for counts in told) for name in told[0]}


# -- Names


def missing_names() -> int:
    """Names that the kernel remembers to be missing, on the whole machine."""
    with open(DENTRY_STATE) as file:
        return int(file.read().split()[4])


def drop_names() -> None:
    """Have the kernel forget names and inodes that nobody uses, on the whole machine.

    Twice, because what was used of late is only marked the first time.
    """
    for _ in range(2):
        with open(DROP, "w") as file:
            file.write(NAMES_AND_INODES)


def forget_names(folder: str) -> tuple[int, int]:
    """Drop names: how many missing ones of ours the kernel was seen to remember, and still does."""
    made = left = 0
    for _ in range(TRIES):
        mark = os.urandom(8).hex()
        before = missing_names()
        for number in range(NAMES):
            os.path.lexists(f"{folder}/{mark}{number}")
        made = missing_names() - before
        drop_names()
        left = missing_names()
        if made >= NAMES and left <= FEW_NAMES:
            break
    return made, left


def settle(walks: list[str], canary: str) -> dict[str, object]:
    """Bring what is shared into the one state from which every phase begins.

    Every page is looked for, each time: a phase cannot throw pages out, but any other program of
    the machine can, and no counter of the kernel's tells.

    Args:
        walks: places to look through.
        canary: a file of the image that nobody else reads now.
    """
    try:
        made, left = forget_names(os.path.dirname(canary))
    except (OSError, ValueError, IndexError) as error:
        return {"refused": str(error)[:200]}
    with open("/proc/self/mountinfo") as file:
        mounted = frozenset(line.split()[4] for line in file)
    files = [path for top in walks for path in files_of(top, mounted)]
    # Drivers that a runtime puts into every container, file by file.
    files += sorted(path for path in mounted if os.path.isfile(path) and path not in walks)
    told = Pages().are_told(canary)
    for remaining in reversed(range(TRIES)):
        counts = refresh_at_once(files)
        if not counts["pages_lacking"] or not remaining:
            break
        time.sleep(PAUSE_SECONDS)  # somebody on this machine throws pages out just now
    return {"names_made": made, "names_left": left, "pages_told": told, **counts}


def main() -> None:
    """Copy, settle, tell; then wait."""
    told = json.loads(sys.argv[1])
    closed, still_open = counts.close_files()
    network = {"net_closed": closed, "net_open": still_open, "ports": counts.set_source_ports()}
    digests = []
    for source, target, name in told["copies"]:
        copy(source, target, name)
        digests.append(digest_of(tree(target)[0]))
    state = settle(told["walks"], told["canary"])
    cores, ended = counts.end_batches()  # last: all that is done here takes numbers
    inodes = {"cores": cores, "cores_ended": ended}
    print(json.dumps({"copies": digests, **network, **state, **inodes}), flush=True)
    signal.pause()
