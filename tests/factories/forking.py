"""Interpreters that start at once: forked from one that has imported torch already.

A phase of the process sandbox spends its time on importing torch: seconds, for a model that
answers in milliseconds. Under the fixture ``forked`` whoever starts this interpreter through
``subprocess`` gets a fork of a prepared one instead: a child of its own with the command line,
environment, directory, streams and session that it asked for. The harness knows nothing of it.

What differs from a fresh interpreter: modules that the server imported are loaded (so a module of
the same name in the submission's folder goes unseen, and the command is run in the real way),
hashes are salted alike in all children, torch has one thread unless OMP_NUM_THREADS says otherwise,
and ``/proc/PID/cmdline`` is the server's. Options and variables that only a fresh interpreter can
obey are left to one, as is everything on other systems than Linux.
"""

import contextlib
import ctypes
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.factories import fork_server

MODULES = ("torch", "torch._dynamo", "numpy", "zstandard")
_OWN = Path(sys.executable)
_PR_SET_CHILD_SUBREAPER = 36
_UNDERSTOOD = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONNOUSERSITE"}
_ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    # Threads that are started by an import do not live on in a fork.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    **dict.fromkeys(_UNDERSTOOD, "1"),
    **{f"{fork_server.PADDING}_{number}": "x" * 100_000 for number in range(2)},
}
_START = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]


class _Server:
    """One prepared interpreter, and the lock under which it is asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", fork_server.__file__, str(theirs.fileno()), *MODULES]
            self._process = subprocess.Popen(
                command,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        names = fork_server.receive(self._channel)
        assert names is not None, "the fork server did not start"
        self.modules = frozenset(json.loads(names))

    def fork(self, request: Mapping[str, object], descriptors: Sequence[int]) -> int:
        """The number of a child of this process that does what is requested."""
        with self._lock:
            _adopt_orphans(True)
            try:
                fork_server.send(self._channel, json.dumps(request).encode(), descriptors)
                answer = fork_server.receive(self._channel)
            finally:
                _adopt_orphans(False)
        assert answer is not None, "the fork server has ended"
        return int(answer)

    def close(self) -> None:
        """End it; its children live on."""
        self._channel.close()
        self._process.wait()


class _Popen(subprocess.Popen[Any]):
    """Starts this interpreter as a fork, and everything else as ever.

    Where a child comes from is a private matter of the class, in all versions of Python alike.
    """

    server: _Server

    def _execute_child(self, *values: Any) -> None:
        wanted = _START.bind(self, *values).arguments
        command = _command(wanted, self.server.modules)
        if command is None:
            super()._execute_child(*values)  # type: ignore[misc]
            return
        request = {
            "command": command,
            "environment": dict(os.environ if wanted["env"] is None else wanted["env"]),
            "directory": os.path.abspath(wanted["cwd"] or "."),
            "session": wanted["start_new_session"],
            "umask": _umask(),
        }
        ends = [wanted[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        streams = [own if end == -1 else end for own, end in enumerate(ends)]
        self.pid = self.server.fork(request, streams)
        self._child_created = True
        names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(wanted[name] for name in names))  # type: ignore[attr-defined]


def _command(wanted: Mapping[str, Any], loaded: frozenset[str]) -> list[str] | None:
    """The words behind the interpreter's name; None when a fork could not do the same."""
    words = [str(word) for word in wanted["args"]] if not wanted["shell"] else []
    program = Path(wanted["executable"] or (words or [""])[0])
    if program.parent != _OWN.parent or program.name not in {_OWN.name, "python", "python3"}:
        return None
    simple = {"preexec_fn": None, "pass_fds": (), "gid": None, "uid": None, "process_group": -1}
    if any(wanted[name] != usual for name, usual in simple.items()):
        return None
    variables = os.environ if wanted["env"] is None else wanted["env"]
    if any(name.startswith("PYTHON") and name not in _UNDERSTOOD for name in variables):
        return None
    command = words[1:]
    if not command or (command[0].startswith("-") and command[0] not in ("-c", "-m")):
        return None
    here = Path(wanted["cwd"] or ".").absolute()
    places = (here, (here / command[0]).parent)
    beside = {entry.stem for place in places for entry in place.glob("*")}
    return None if beside & loaded else command


def _umask() -> int:
    """Read, not set and set back: other threads may make files."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("\nUmask:")[2].split()[0], 8)


def _adopt_orphans(yes: bool) -> None:
    """Whether children of ended descendants of ours become children of ours."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        raise OSError("prctl")


@contextlib.contextmanager
def fork_server_started() -> Iterator[type[subprocess.Popen[Any]]]:
    """A class to be used for ``subprocess.Popen``, while the server lives."""
    if sys.platform != "linux":
        yield subprocess.Popen
        return
    server = _Server()
    yield type("Popen", (_Popen,), {"server": server})
    server.close()
