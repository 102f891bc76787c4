"""Tries system calls and sockets that a container may be refused, each once."""

import ctypes
import errno
import mmap
import os
import platform
import signal
import socket
from collections.abc import Callable

# Name: numbers on x86-64 and 64-bit Arm, arguments. With these arguments, a kernel that receives
# the call does nothing, and answers with something other than "not permitted".
CALLS: dict[str, tuple[int | None, int | None, tuple[int, ...]]] = {
    "io_uring_setup": (425, 425, (0, 0)),
    "io_uring_enter": (426, 426, (-1, 0, 0, 0)),
    "io_uring_register": (427, 427, (-1, 0, 0, 0)),
    "ptrace": (101, 117, (0x4200, 1 << 30, 0, 0)),
    "process_vm_readv": (310, 270, (os.getpid(), 0, 0, 0, 0, 0)),
    "process_vm_writev": (311, 271, (os.getpid(), 0, 0, 0, 0, 0)),
    "kcmp": (312, 272, (os.getpid(), os.getpid(), 0, 0, 0)),
    "keyctl": (250, 219, (0, -3, 0)),
    "add_key": (248, 217, (0, 0, 0, 0, 0)),
    "request_key": (249, 218, (0, 0, 0, 0)),
    "bpf": (321, 280, (-1, 0, 0)),
    "perf_event_open": (298, 241, (0, 0, -1, -1, 0)),
    "userfaultfd": (323, 282, (-1,)),
    "unshare": (272, 97, (0,)),
    "setns": (308, 268, (-1, 0)),
    "mount": (165, 40, (0, 0, 0, 0, 0)),
    "fsopen": (430, 430, (0, 0)),
    "open_by_handle_at": (304, 265, (-1, 0, 0)),
    "fanotify_init": (300, 262, (-1, 0)),
    "mbind": (237, 235, (0, 0, 0, 0, 0, 0)),
    "finit_module": (313, 273, (-1, 0, 0)),
    "shmget": (29, 194, (0, 0, 0)),
    "semget": (64, 190, (0, 0, 0)),
    "msgget": (68, 186, (1, 0)),
    "mq_open": (240, 180, (0, 0, 0, 0)),
    "io_setup": (206, 0, (0, 0)),
    "splice": (275, 76, (-1, 0, -1, 0, 0, 0)),
    "vmsplice": (278, 75, (-1, 0, 0, 0)),
    "remap_file_pages": (216, 234, (0, 0, 0, 0, 0)),
    "modify_ldt": (154, None, (0, 0, 0)),
    "setuid": (105, 146, (os.getuid(),)),
    "setgid": (106, 144, (os.getgid(),)),
    "chroot": (161, 51, (0,)),
    "clone3": (435, 435, (0, 0)),
}
# Name: family, type, protocol.
SOCKETS = {
    "AF_VSOCK": (40, 1, 0),
    "AF_NETLINK uevent": (16, 3, 15),
    "AF_INET MPTCP": (2, 1, 262),
    "AF_ALG": (38, 5, 0),
    "AF_PACKET": (17, 3, 0),
}
# Name: whether it is set, level, option. Options that tell a count of the machine, let two phases
# agree on one, or run a program in the kernel, which looks at the lower half of both numbers only.
OPTIONS = {
    "SO_COOKIE": (False, 1, 57),
    "SO_COOKIE with bits above": (False, 1, 57 | 1 << 32),
    "SO_COOKIE by another level": (False, 1 | 1 << 32, 57),
    "SO_NETNS_COOKIE": (False, 1, 71),
    "SO_PEERPIDFD": (False, 1, 77),
    "SO_ATTACH_FILTER": (True, 1, 26),
    "SO_ATTACH_BPF": (True, 1, 50),
    "IP_LOCAL_PORT_RANGE": (True, 0, 51),
    "IP_LOCAL_PORT_RANGE with bits above": (True, 1 << 32, 51 | 1 << 32),
}
# getpid through the 32-bit entry: mov eax, 20; int 0x80; ret
GETPID_32 = bytes.fromhex("b814000000cd80c3")


def child(action: Callable[[], int]) -> int:
    """Run ``action`` in a child that exits with its result; return the child's wait status."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            code = action() & 0xFF
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def calls() -> dict[str, str]:
    """The result of each system call: ``refused`` for EPERM or ENOSYS, else the kernel's answer."""
    libc = ctypes.CDLL(None, use_errno=True)
    column = 0 if platform.machine() == "x86_64" else 1
    found = {}
    for name, (x86, arm, arguments) in CALLS.items():
        number = (x86, arm)[column]
        if number is None:
            continue
        ctypes.set_errno(0)
        libc.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments))
        said = ctypes.get_errno()
        refused = said in (errno.EPERM, errno.ENOSYS)
        found[name] = "refused" if refused else errno.errorcode.get(said, "done")
    return found


def sockets() -> dict[str, str]:
    """The result for each kind of socket: ``refused``, or what happened instead."""
    found = {}
    for name, (family, kind, protocol) in SOCKETS.items():
        try:
            socket.socket(family, kind, protocol).close()
            found[name] = "done"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, "?")
            found[name] = "refused" if error.errno in (errno.EPERM, errno.ENOSYS) else said
    return found


def cookies() -> dict[str, str]:
    """Each option of a socket, and watching files: ``refused`` with EPERM, or what came of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    getting, setting, watching = (55, 54, 294) if platform.machine() == "x86_64" else (209, 208, 26)
    found = {}
    for name, (is_set, level, option) in OPTIONS.items():
        with socket.socket() as some:
            # A length of nothing and no place for it: the kernel answers, and does nothing.
            arguments = (some.fileno(), level, option, 0, 0)
            found[name] = _said(libc, setting if is_set else getting, arguments)
    found["inotify_init1"] = _said(libc, watching, (0,))
    return found


def _said(libc: ctypes.CDLL, number: int, arguments: tuple[int, ...]) -> str:
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments))
    said = ctypes.get_errno()
    if result >= 0:
        return "done"
    return "refused" if said == errno.EPERM else errno.errorcode.get(said, "?")


def call_32_bit() -> str:
    """Try a system call through the 32-bit entry of x86, which has its own call numbers."""
    if platform.machine() != "x86_64":
        return "refused"

    def enter() -> int:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(GETPID_32)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return 0 if ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0 else 1

    status = child(enter)
    if os.WIFSIGNALED(status):
        killed_by = os.WTERMSIG(status)
        return "refused" if killed_by == signal.SIGSYS else f"signal {killed_by}"
    return "done" if os.WEXITSTATUS(status) == 0 else "refused"
