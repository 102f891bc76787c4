"""Files of strangers, opened and read: regular files alone, within bounds, never waiting.

All errors are OSErrors whose ``filename`` is the path that was wrong and whose ``strerror`` says
what was wrong with it, so that each caller can raise its own kind.
"""

import errno
import io
import os
import stat
from pathlib import Path, PurePath

_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # not blocking: a FIFO would wait for a writer
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NotRegularError(OSError):
    """Something else than a regular file, or a link on the way to one.

    Attributes:
        kind: "symbolic link", "directory", "FIFO", "socket" or "device".
    """

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(errno.EINVAL, f"not a regular file but a {kind}", str(path))
        self.kind = kind


class TooLargeError(OSError):
    """A file of more bytes than are read.

    Attributes:
        size_bytes: how many it has, as far as is known.
    """

    def __init__(self, path: Path, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(errno.EFBIG, f"larger than {limit_bytes:,} bytes", str(path))
        self.size_bytes = size_bytes


def open_inside(root: Path, name: str | PurePath) -> io.BufferedReader:
    """Open a regular file below ``root`` without following a link on the way.

    Each part is opened from the folder before it, so that nobody who moves folders about
    meanwhile leads the way elsewhere. Nothing but a regular file is even opened, as far as a
    look before that can tell.

    Args:
        root: a folder of ours or of the user's; links on the way to it are followed.
        name: relative to it, without ``..``.

    Raises:
        FileNotFoundError: there is no such file; ``filename`` is ``root`` if that is not there.
        NotRegularError: it, or a part of the way, is a link; or it is no regular file.
        OSError: a name that does not stay below ``root``, or what the system says.
    """
    parts = PurePath(name).parts
    if not parts or ".." in parts or PurePath(name).is_absolute():
        raise OSError(errno.EINVAL, "not a name below its folder", str(root / name))
    place = root
    folder = _open(root, _FOLDER, root)
    try:
        for part in parts[:-1]:
            place /= part
            found = _look(part, place, folder)
            if stat.S_ISLNK(found):
                raise NotRegularError(place, kind_of(found))
            inner = _open(part, _FOLDER | os.O_NOFOLLOW, place, folder)
            os.close(folder)
            folder = inner
        place /= parts[-1]
        _require_regular(_look(parts[-1], place, folder), place)
        return _checked(_open(parts[-1], _FILE | os.O_NOFOLLOW, place, folder), place)
    finally:
        os.close(folder)


def open_named(path: Path) -> io.BufferedReader:
    """Open a regular file that the user named, or that was found where the user's links lead.

    Raises:
        NotRegularError: a directory, FIFO, socket or device.
        OSError: what the system says.
    """
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    _require_regular(mode, path)
    return _checked(_open(path, _FILE, path), path)


def read_bounded(file: io.BufferedReader, path: Path, *, limit_bytes: int) -> bytes:
    """The whole of an open file.

    Raises:
        TooLargeError: it holds more than ``limit_bytes``; then at most one byte more was read.
        OSError: what the system says.
    """
    size = os.fstat(file.fileno()).st_size
    content = file.read(limit_bytes + 1) if size <= limit_bytes else b""
    if max(size, len(content)) > limit_bytes:
        raise TooLargeError(path, max(size, len(content)), limit_bytes)
    return content


def read_inside(root: Path, name: str | PurePath, *, limit_bytes: int) -> bytes:
    """The content of a file below ``root``; errors as of ``open_inside`` and ``read_bounded``."""
    with open_inside(root, name) as file:
        return read_bounded(file, root / name, limit_bytes=limit_bytes)


def read_named(path: Path, *, limit_bytes: int) -> bytes:
    """The content of a file that was named; errors as of ``open_named`` and ``read_bounded``."""
    with open_named(path) as file:
        return read_bounded(file, path, limit_bytes=limit_bytes)


def kind_of(mode: int) -> str:
    """What a file of such a mode is called."""
    for test, kind in (
        (stat.S_ISREG, "regular file"),
        (stat.S_ISLNK, "symbolic link"),
        (stat.S_ISDIR, "directory"),
        (stat.S_ISFIFO, "FIFO"),
        (stat.S_ISSOCK, "socket"),
    ):
        if test(mode):
            return kind
    return "device"


def _look(part: str, place: Path, folder: int) -> int:
    """The mode of one name in a folder, its own and not that of what it links to."""
    try:
        return os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode
    except (OSError, ValueError) as error:
        raise _named(error, place) from error


def _open(path: str | Path, flags: int, place: Path, folder: int | None = None) -> int:
    try:
        return os.open(path, flags, dir_fd=folder)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP and flags & os.O_NOFOLLOW:
            raise NotRegularError(place, "symbolic link") from error  # put there since the look
        raise _named(error, place) from error


def _checked(descriptor: int, place: Path) -> io.BufferedReader:
    """The open file, once it is known to be what the look said."""
    try:
        _require_regular(os.fstat(descriptor).st_mode, place)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular(mode: int, place: Path) -> None:
    if not stat.S_ISREG(mode):
        raise NotRegularError(place, kind_of(mode))


def _named(error: OSError | ValueError, place: Path) -> OSError:
    """The same error with the whole path; a name that no file can have is an error like others."""
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, str(place))
    return OSError(errno.EINVAL, "no file can have such a name", str(place))
