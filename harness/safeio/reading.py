"""Opens and reads untrusted files: only regular files, within bounds, without ever blocking.

All errors are OSErrors: ``filename`` is the path at fault and ``strerror`` says what is wrong with
it, so that each caller can raise its own kind of error.
"""

import errno
import io
import os
import stat
from pathlib import Path, PurePath

_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # not blocking: a FIFO would wait for a writer
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NotRegularError(OSError):
    """Something other than a regular file, or a link on the way to one.

    Attributes:
        kind: "symbolic link", "directory", "FIFO", "socket" or "device".
    """

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(errno.EINVAL, f"not a regular file but a {kind}", str(path))
        self.kind = kind


class TooLargeError(OSError):
    """A file with more bytes than allowed.

    Attributes:
        size_bytes: its size, as far as is known.
    """

    def __init__(self, path: Path, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(errno.EFBIG, f"larger than {limit_bytes:,} bytes", str(path))
        self.size_bytes = size_bytes


def open_inside(root: Path, name: str | PurePath) -> io.BufferedReader:
    """Open a regular file below ``root`` without following a link on the way.

    Each part of the path is opened relative to the folder before it, so that moving folders at the
    same time cannot redirect it. The kind of file is checked before it is opened, and once more
    after.

    Args:
        root: a folder that we or the user chose; links on the way to it are followed.
        name: relative to it, without ``..``.

    Raises:
        FileNotFoundError: there is no such file; ``filename`` is ``root`` if ``root`` is missing.
        NotRegularError: it, or a folder on the way, is a link; or it is no regular file.
        OSError: the name does not stay below ``root``, or an error of the system.
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
    """Open a regular file that the user named; links are followed.

    Raises:
        NotRegularError: it is a directory, FIFO, socket or device.
        OSError: any other error of the system.
    """
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    _require_regular(mode, path)
    return _checked(_open(path, _FILE, path), path)


def read_bounded(file: io.BufferedReader, path: Path, *, limit_bytes: int) -> bytes:
    """Read a whole open file.

    Raises:
        TooLargeError: it holds more than ``limit_bytes``; at most one byte more was read.
        OSError: any other error of the system.
    """
    size = os.fstat(file.fileno()).st_size
    content = file.read(limit_bytes + 1) if size <= limit_bytes else b""
    if max(size, len(content)) > limit_bytes:
        raise TooLargeError(path, max(size, len(content)), limit_bytes)
    return content


def read_inside(root: Path, name: str | PurePath, *, limit_bytes: int) -> bytes:
    """Read a file below ``root``; errors as in ``open_inside`` and ``read_bounded``."""
    with open_inside(root, name) as file:
        return read_bounded(file, root / name, limit_bytes=limit_bytes)


def read_named(path: Path, *, limit_bytes: int) -> bytes:
    """Read a file that the user named; errors as in ``open_named`` and ``read_bounded``."""
    with open_named(path) as file:
        return read_bounded(file, path, limit_bytes=limit_bytes)


def no_folder(path: Path, *, expected: str) -> str:
    """What is said of a path at which a folder was ``expected``, and none is."""
    try:
        there = path.exists()
    except (OSError, ValueError):
        there = False
    return f"{'a file and no folder' if there else 'no such folder'}; expected {expected}"


def kind_of(mode: int) -> str:
    """The name for the kind of file with such a mode."""
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
    """The mode of one name in a folder; of a link, not of its target."""
    try:
        return os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode
    except (OSError, ValueError) as error:
        raise _named(error, place) from error


def _open(path: str | Path, flags: int, place: Path, folder: int | None = None) -> int:
    try:
        return os.open(path, flags, dir_fd=folder)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP and flags & os.O_NOFOLLOW:
            raise NotRegularError(place, "symbolic link") from error  # a link by now
        raise _named(error, place) from error


def _checked(descriptor: int, place: Path) -> io.BufferedReader:
    """The open file, after checking that it still is what was looked at."""
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
    """The same error with the whole path; a name that no file can have becomes an OSError too."""
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, str(place))
    return OSError(errno.EINVAL, "no file can have such a name", str(place))
