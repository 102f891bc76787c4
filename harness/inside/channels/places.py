"""Places where something can be left: each either is shared by two phases, or is not.

Each place knows how to put a mark under a number, and how to look for one.
"""

import ctypes
import errno
import fcntl
import os
import platform
import socket
from abc import ABC, abstractmethod
from time import perf_counter_ns, sleep

from .bits import as_hex
from .numbers import Places

KNOWN = 16  # marks that the receiver puts itself, so many that it does not
_X86 = platform.machine() == "x86_64"
_LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Place(ABC):
    """One place; ``OSError`` where it is refused."""

    def __init__(self, places: Places) -> None:
        self.places = places

    @abstractmethod
    def put(self, number: int) -> None:
        """Leave a mark under a number."""

    @abstractmethod
    def look(self, number: int) -> bool:
        """Whether there is a mark under a number."""


class Files(Place):
    """Files in every directory that may be written to."""

    def _paths(self, number: int) -> list[str]:
        it = self.places
        stores = ("/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", it.output, it.code, it.data)
        return [f"{store}/{it.public}-{number}" for store in (*stores, it.artifact)]

    def put(self, number: int) -> None:
        """A file in each."""
        refused: OSError | None = None
        done = 0
        for path in self._paths(number):
            try:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                done += 1
            except OSError as error:
                refused = error
        if not done and refused is not None:
            raise refused

    def look(self, number: int) -> bool:
        """In any."""
        return any(os.path.exists(path) for path in self._paths(number))


class SystemV(Place):
    """Shared memory, semaphores and queues under keys."""

    def put(self, number: int) -> None:
        """One of each, as far as there is room."""
        key = self._key(number)
        found = [
            _LIBC.shmget(key, 4096, 0o1666),
            _LIBC.semget(key, 1, 0o1666),
            _LIBC.msgget(key, 0o1666),
        ]
        _checked(max(found))

    def look(self, number: int) -> bool:
        """Any of the three."""
        key = self._key(number)
        found = (_LIBC.shmget(key, 0, 0), _LIBC.semget(key, 0, 0), _LIBC.msgget(key, 0))
        return any(result >= 0 for result in found)

    def _key(self, number: int) -> int:
        return (int(self.places.public, 16) % 20_000 + 1) * 65_536 + number


class Queues(Place):
    """POSIX message queues under names."""

    class _Attributes(ctypes.Structure):
        _fields_ = [(name, ctypes.c_long) for name in ("flags", "most", "size", "now", "a", "b")]

    def put(self, number: int) -> None:
        """A queue for one message of eight bytes."""
        small = self._Attributes(0, 1, 8, 0, 0, 0)
        flags = os.O_CREAT | os.O_RDWR
        os.close(_checked(_LIBC.mq_open(self._name(number), flags, 0o666, ctypes.byref(small))))

    def look(self, number: int) -> bool:
        """Whether it can be opened."""
        found = _LIBC.mq_open(self._name(number), os.O_RDONLY)
        if found >= 0:
            os.close(found)
        return bool(found >= 0)

    def _name(self, number: int) -> bytes:
        return f"/q{self.places.public}-{number}".encode()  # a queue is a file of /dev/mqueue


class Sockets(Place):
    """Unix sockets without a file, held by a process that stays as long as it is let."""

    def __init__(self, places: Places) -> None:
        super().__init__(places)
        self.held: list[socket.socket] = []

    def put(self, number: int) -> None:
        """Listen."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"\0{self.places.public}-{number}")
        listener.listen()
        self.held.append(listener)

    def look(self, number: int) -> bool:
        """Whether somebody listens."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(f"\0{self.places.public}-{number}") == 0


class Keys(Place):
    """Keys in the keyring of the user."""

    _ADD, _REQUEST = (248, 249) if _X86 else (217, 218)
    _USERS = -4

    def put(self, number: int) -> None:
        """Add one."""
        _checked(_LIBC.syscall(self._ADD, b"user", self._name(number), b"1", 1, self._USERS))

    def look(self, number: int) -> bool:
        """Ask for it."""
        return bool(_LIBC.syscall(self._REQUEST, b"user", self._name(number), None, 0) >= 0)

    def _name(self, number: int) -> bytes:
        return f"{self.places.public}-{number}".encode()


class Locks(Place):
    """Locks on mounted files, held by a process that stays as long as it is let."""

    def __init__(self, places: Places) -> None:
        super().__init__(places)
        self.held: list[int] = []

    def put(self, number: int) -> None:
        """Lock it."""
        file = os.open(self._path(number), os.O_RDONLY)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.held.append(file)

    def look(self, number: int) -> bool:
        """Whether another one has it locked."""
        file = os.open(self._path(number), os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def _path(self, number: int) -> str:
        return f"{self.places.code}/marks/lock-{number}"


class AccessTimes(Place):
    """When a mounted file was read last."""

    def put(self, number: int) -> None:
        """Read it."""
        with open(self._path(number), "rb") as file:
            file.read()

    def look(self, number: int) -> bool:
        """Whether it was read after it was written."""
        found = os.stat(self._path(number))
        return found.st_atime > found.st_mtime

    def _path(self, number: int) -> str:
        return f"{self.places.code}/marks/read-{number}"


class Metadata(Place):
    """Times, modes and links of mounted files, which need no right to their content."""

    _CHANGED = 86_400

    def put(self, number: int) -> None:
        """Change whatever can be changed."""
        path = self._path(number)
        os.utime(path, (self._CHANGED, self._CHANGED))

    def look(self, number: int) -> bool:
        """Whether it was changed."""
        return os.stat(self._path(number)).st_mtime == self._CHANGED

    def _path(self, number: int) -> str:
        return f"{self.places.code}/marks/time-{number}"


PLACES: dict[str, type[Place]] = {
    "leftover_files": Files,
    "system_v": SystemV,
    "message_queues": Queues,
    "abstract_sockets": Sockets,
    "keyrings": Keys,
    "file_locks": Locks,
    "access_times": AccessTimes,
    "file_metadata": Metadata,
}
HELD: list[Place] = []
"""What must live as long as this process, and beyond it where that is possible."""


def send(name: str, bits: list[int], places: Places) -> dict[str, object]:
    """Put the marks of the ones; how many bits could be put at all, and why not the others."""
    place = PLACES[name](places)
    HELD.append(place)
    refused, placed = "", 0
    begun = perf_counter_ns()
    for number, bit in enumerate(bits):
        try:
            if bit:
                place.put(number)
            placed += 1
        except OSError as error:
            refused = errno.errorcode.get(error.errno or 0, "?")
    seconds = (perf_counter_ns() - begun) / 1e9
    none = refused and placed <= len(bits) - sum(bits)
    return {"seconds": seconds, "placed": 0 if none else placed, "refused": refused}


def receive(name: str, count: int, places: Places) -> dict[str, object]:
    """Look for each mark; then put some ourselves and see whether they can be told apart."""
    place = PLACES[name](places)
    begun = perf_counter_ns()
    guess, refused = [], ""
    for number in range(count):
        try:
            guess.append(int(place.look(number)))
        except OSError as error:
            guess.append(0)
            refused = errno.errorcode.get(error.errno or 0, "?")
    seconds = (perf_counter_ns() - begun) / 1e9
    other = PLACES[name](places)  # what we hold ourselves must look foreign
    HELD.append(other)
    wrong = 0
    for number in range(count, count + 2 * KNOWN):
        try:
            if number % 2:
                other.put(number)
            wrong += place.look(number) != bool(number % 2)
        except OSError as error:
            wrong += 1 if number % 2 else 0
            refused = errno.errorcode.get(error.errno or 0, "?")
    return {
        "guess": as_hex(guess),
        "seconds": seconds,
        "known_wrong": wrong / (2 * KNOWN),
        "known": 2 * KNOWN,
        "refused": refused,
    }


def stay() -> None:
    """Leave a process behind that holds what this one holds, until it is killed."""
    if os.fork() == 0:
        os.setsid()
        while True:
            sleep(3600)
