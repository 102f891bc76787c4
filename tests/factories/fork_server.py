"""A Python that has imported torch already, and forks what a fresh one would run.

Started by :mod:`tests.factories.forking`, which has the reasons. It stands alone: whatever it
imports, its children have imported too, so nothing of ours may come along.
"""

import array
import atexit
import builtins
import contextlib
import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import struct
import sys
import threading
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

LENGTH = struct.Struct("<Q")
PADDING = "FORK_SERVER_PADDING"
"""Variables of this name, and a number, make room for the environments of children."""


def send(channel: socket.socket, content: bytes, descriptors: Sequence[int] = ()) -> None:
    """One message, and copies of descriptors with it."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    channel.sendmsg([LENGTH.pack(len(content))], [rights] if descriptors else [])
    channel.sendall(content)


def receive(channel: socket.socket, descriptors: list[int] | None = None) -> bytes | None:
    """The next message; None when the other side has closed. Adds to ``descriptors``."""
    space = socket.CMSG_SPACE(3 * array.array("i").itemsize)
    head, ancillary, _, _ = channel.recvmsg(LENGTH.size, space)
    if not head:
        return None
    for _, _, data in ancillary:
        (descriptors if descriptors is not None else []).extend(array.array("i", data))
    (length,) = LENGTH.unpack(head)
    content = b""
    while len(content) < length:
        content += channel.recv(length - len(content))
    return content


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork a child for each request, until the client closes its end; in a child, its request."""
    descriptors: list[int] = []
    while content := receive(channel, descriptors):
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            # A child of a process that has ended is given to the nearest subreaper: the client,
            # which can then wait for it as for any child of its own.
            between = os.getpid()
            child = os.fork()
            if child:
                os.write(writing, b"%d" % child)
                os._exit(0)
            while os.getppid() == between:
                time.sleep(0.0005)
            return {**json.loads(content), "descriptors": descriptors}
        os.waitpid(between, 0)
        send(channel, os.read(reading, 32))
        for descriptor in (reading, writing, *descriptors):
            os.close(descriptor)
        descriptors.clear()
    return None


def become(request: dict[str, Any]) -> None:
    """Put in place what a child of the client would have: session, directory, environment, ..."""
    if request["session"]:
        os.setsid()
    os.umask(request["umask"])
    os.chdir(request["directory"])
    for number, descriptor in enumerate(request["descriptors"]):
        os.dup2(descriptor, number)
    os.closerange(3, 1024)
    _replace_environment(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(threads))


def interpret(words: list[str]) -> int:
    """What the interpreter does with its command line, and its exit code.

    Args:
        words: ``-c CODE``, ``-m MODULE`` or a script, then its arguments.
    """
    what, *rest = words
    try:
        if what == "-m":
            sys.argv = rest
            sys.path.insert(0, os.getcwd())
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif what == "-c":
            sys.argv = ["-c", *rest[1:]]
            sys.path.insert(0, "")
            _run(rest[0], "<string>", None)
        else:
            sys.argv = [what, *rest]
            sys.path.insert(0, str(Path(what).resolve().parent))
            _run(Path(what).read_bytes(), what, what)
    except SystemExit as end:
        return _exit_code(end)
    except KeyboardInterrupt as error:
        _show(error)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told and ends here
        _show(error)
        return 1
    return 0


def _run(source: str | bytes, name: str, file: str | None) -> None:
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins)
    if file:
        module.__dict__.update(__file__=file, __cached__=None)
    sys.modules["__main__"] = module
    exec(compile(source, name, "exec"), module.__dict__)


def _show(error: BaseException) -> None:
    """The traceback without our own frames."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _replace_environment(variables: dict[str, str]) -> None:
    """Also where ``/proc/PID/environ`` shows it: there the marks of a phase are looked for."""
    os.environ.clear()
    status = Path("/proc/self/stat").read_bytes()
    fields = status[status.rindex(b")") + 2 :].split()
    begin, end = int(fields[47]), int(fields[48])
    block = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in variables.items())
    if len(block) > end - begin:
        raise SystemExit("the fork server has no room for this environment")
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, block, len(block))
    os.environ.update(variables)


def end(code: int) -> NoReturn:
    """What the interpreter does at its end, without the half second that takes torch apart."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if sys.modules["__main__"].__dict__ is not globals():
        sys.modules["__main__"].__dict__.clear()  # closes files that it left open
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def main() -> None:
    """Import the modules that are named, then serve on the descriptor."""
    descriptor, *modules = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client
    for module in modules:
        __import__(module)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise SystemExit(f"{threads} threads: forks of this process could hang")
    gc.collect()
    gc.freeze()
    channel = socket.socket(fileno=int(descriptor))
    send(channel, json.dumps(sorted({name.partition(".")[0] for name in sys.modules})).encode())
    request = serve(channel)
    if request is not None:
        become(request)
        end(interpret(request["command"]))


if __name__ == "__main__":
    main()
