"""The program: it reports what it finds, as far as its first argument says, and then waits.

Each fact is one line of JSON with name and value; a fact about only one property has the property's
id as its name. After the line ``done`` it prints more than a log may hold and waits to be killed,
so that its container can be inspected from outside.
"""

import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable

from .calls import call_32_bit, calls, cookies, sockets
from .limits import (
    MIB,
    bytes_until_full,
    bytes_until_killed,
    files_until_full,
    files_until_refused,
    processes_until_refused,
)
from .places import (
    PORT_RANGE,
    file_system_of,
    identity,
    leads_out,
    leave,
    mounts,
    name_servers,
    network_files,
    own_namespaces,
    reaches_abstract,
    stored,
    telling,
    text_of,
    writable,
)


def flood(count: int) -> None:
    """Print at least this many bytes."""
    line = "x" * 999
    for _ in range(count // 1000 + 1):
        print(line)
    sys.stdout.flush()


def main() -> None:
    """Report everything, then wait."""
    told = json.loads(sys.argv[1])
    found = stored()
    environment = [entry for entry in text_of("/proc/self/environ").split("\0") if entry]
    facts: dict[str, Callable[[], object]] = {
        "no_leftovers": lambda: found,
        "own_environment": lambda: environment,
        "no_extra_descriptors": lambda: sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
        "own_processes": lambda: [int(name) for name in os.listdir("/proc") if name.isdecimal()],
        "identity": identity,
        "own_namespaces": lambda: own_namespaces(told["namespaces"]),
        "no_network": lambda: [name for _, name in socket.if_nameindex()],
        "no_routes": lambda: [
            address
            for address, family in (("192.0.2.1", 2), ("2001:db8::1", 10))
            if leads_out((address, 53), family)
        ],
        "no_name_servers": name_servers,
        "no_host_sockets": lambda: reaches_abstract(told["abstract"]),
        "no_engine_socket": lambda: [
            path for path in ("/var/run/docker.sock", "/run/containerd") if os.path.exists(path)
        ],
        "host_name": socket.gethostname,
        "mounts": mounts,
        "writable_places": writable,
        "separate_files": lambda: file_system_of(os.getcwd()),
        "host_counters_hidden": lambda: telling(told["hidden"]),
        "network_counters_hidden": network_files,
        "own_source_ports": lambda: [int(word) for word in text_of(PORT_RANGE).split()],
        "no_kernel_cookies": cookies,
        "calls": calls,
        "sockets": sockets,
        "no_32_bit_calls": call_32_bit,
        "all_cores": lambda: len(os.sched_getaffinity(0)),
        "no_core_dumps": lambda: list(resource.getrlimit(resource.RLIMIT_CORE)),
        "open_file_limit": lambda: files_until_refused(told["open_files"] + 64),
        "process_limit": lambda: processes_until_refused(told["processes"] + 32),
        "shared_memory_limit": lambda: bytes_until_full("/dev/shm", told["shm_bytes"] + 64 * MIB),
        "scratch_limit": lambda: bytes_until_full("/tmp", told["scratch_bytes"] + 8 * MIB),
        "output_limit": lambda: bytes_until_full("/output", told["output_bytes"] + 8 * MIB),
        "output_file_limit": lambda: files_until_full("/output", told["output_files"] + 64),
        "memory_limit": lambda: bytes_until_killed(told["memory_bytes"] + 32 * MIB),
        "left": leave,
    }
    if told["briefly"]:
        facts = {name: facts[name] for name in ("no_leftovers", "left")}
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
