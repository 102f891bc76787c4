"""The program: told by its first argument how far to go, it tells what it finds, then waits.

Each fact is one line of JSON, name and value. After the line ``done`` it prints more than a log
may hold and waits to be killed, so that whoever started it can look from outside meanwhile.
"""

import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable

from .calls import call_32_bit, calls, sockets
from .limits import (
    MIB,
    bytes_until_full,
    bytes_until_killed,
    files_until_full,
    files_until_refused,
    processes_until_refused,
)
from .places import (
    identity,
    leads_out,
    leave,
    mounts,
    name_servers,
    own_namespaces,
    reaches_abstract,
    stored,
    text_of,
    writable,
)


def flood(count: int) -> None:
    """Print at least so many bytes."""
    line = "x" * 999
    for _ in range(count // 1000 + 1):
        print(line)
    sys.stdout.flush()


def main() -> None:
    """Tell everything, then wait."""
    told = json.loads(sys.argv[1])
    found = stored()
    environment = [entry for entry in text_of("/proc/self/environ").split("\0") if entry]
    facts: dict[str, Callable[[], object]] = {
        "leftovers": lambda: found,
        "environment": lambda: environment,
        "descriptors": lambda: sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
        "processes seen": lambda: [int(name) for name in os.listdir("/proc") if name.isdecimal()],
        "identity": identity,
        "namespaces": lambda: own_namespaces(told["namespaces"]),
        "interfaces": lambda: [name for _, name in socket.if_nameindex()],
        "routes": lambda: [
            address
            for address, family in (("192.0.2.1", 2), ("2001:db8::1", 10))
            if leads_out((address, 53), family)
        ],
        "name servers": name_servers,
        "abstract socket": lambda: reaches_abstract(told["abstract"]),
        "engine's socket": lambda: [
            path for path in ("/var/run/docker.sock", "/run/containerd") if os.path.exists(path)
        ],
        "host name": socket.gethostname,
        "mounts": mounts,
        "writable": writable,
        "calls": calls,
        "sockets": sockets,
        "32-bit calls": call_32_bit,
        "cores": lambda: len(os.sched_getaffinity(0)),
        "core dumps": lambda: list(resource.getrlimit(resource.RLIMIT_CORE)),
        "open files": lambda: files_until_refused(told["open_files"] + 64),
        "processes": lambda: processes_until_refused(told["processes"] + 32),
        "shared memory": lambda: bytes_until_full("/dev/shm", told["shm_bytes"] + 64 * MIB),
        "scratch": lambda: bytes_until_full("/tmp", told["scratch_bytes"] + 8 * MIB),
        "output": lambda: bytes_until_full("/output", told["output_bytes"] + 8 * MIB),
        "output files": lambda: files_until_full("/output", told["output_files"] + 64),
        "memory": lambda: bytes_until_killed(told["memory_bytes"] + 32 * MIB),
        "left": leave,
    }
    if told["briefly"]:
        facts = {name: facts[name] for name in ("leftovers", "left")}
    for name, measure in facts.items():
        try:
            value = measure()
        except Exception as error:  # noqa: BLE001 - one fact that cannot be had is told as such
            value = {"error": repr(error)[:200]}
        print(json.dumps([name, value]), flush=True)
    print("done", flush=True)
    flood(told["log_bytes"] + 64 * 1024)
    signal.pause()


if __name__ == "__main__":
    main()
