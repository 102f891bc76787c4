"""``python confine.py --code DIR --keep DIR --tell FD -- COMMAND...``: walls without an engine.

Starts a command where no network can be had but this machine's own loopback, and where its code
folder and the referee's Python are read-only, as they are in a container: what writes there, or
downloads something, fails in a rehearsal as it would in the real thing. It is no isolation, and
proves nothing.

Needs namespaces of Linux, as root or where ordinary users may make some; ends with the exit code
125 where there are none. The descriptor is closed when the command runs; where it cannot be
executed, the number of the error is written to it before. Runs alone, with the standard library.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CANNOT = 125
_NEW_MOUNTS, _NEW_USER, _NEW_NETWORK, _NEW_NAME = 0x20000, 0x10000000, 0x40000000, 0x04000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_KEPT_FLAGS = 2 | 4 | 8  # nosuid, nodev, noexec: a mount that is made again may not lose them
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Confine this process, and become the command."""
    words = sys.argv[1:]
    at = words.index("--")
    options, command = words[:at], words[at + 1 :]
    code, keep = options[options.index("--code") + 1], options[options.index("--keep") + 1]
    try:
        _leave_namespaces()
        for place in (code, keep):
            _make_read_only(place)
        _raise_loopback()
    except OSError as error:
        print(f"not confined: {error}", file=sys.stderr)
        sys.exit(CANNOT)
    os.chdir(code)
    tell = int(options[options.index("--tell") + 1])
    os.set_inheritable(tell, False)
    try:
        os.execv(command[0], command)
    except OSError as error:
        os.write(tell, str(error.errno).encode())
        sys.exit(CANNOT)


def _leave_namespaces() -> None:
    flags = _NEW_MOUNTS | _NEW_NETWORK | _NEW_NAME
    user, group = os.getuid(), os.getgid()
    if user != 0:
        flags |= _NEW_USER
    _call(_libc.unshare, flags)
    if user != 0:
        # Everybody stays who he is; only so may ordinary users map anybody at all.
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    socket.sethostname("localhost")
    _mount(None, "/", _RECURSIVE | _PRIVATE)


def _make_read_only(place: str) -> None:
    _mount(place, place, _BIND | _RECURSIVE)
    kept = os.statvfs(place).f_flag & _KEPT_FLAGS
    _mount(None, place, _REMOUNT | _BIND | _READ_ONLY | kept)


def _mount(source: str | None, target: str, flags: int) -> None:
    named = source.encode() if source is not None else None
    _call(_libc.mount, named, target.encode(), None, ctypes.c_ulong(flags), None)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        _, flags, _ = struct.unpack("16sH14s", fcntl.ioctl(control, _GET_FLAGS, request))
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14s", b"lo", flags | _UP, b""))


def _call(function: "ctypes._NamedFuncPointer", *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
