"""What a container sees around it: rights, network, mounts, and leftovers of earlier ones."""

import ctypes
import os
import select
import socket

STORES = ("/tmp", "/output", "/dev/shm", "/dev/mqueue")
LEFT = "left-behind"
PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"


def text_of(path: str) -> str:
    """Read a whole file."""
    with open(path) as file:
        return file.read()


def identity() -> dict[str, object]:
    """User, capability sets and filters of this process, as the kernel reports them."""
    lines = text_of("/proc/self/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    sets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return {
        "user": f"{os.getuid()}:{os.getgid()}",
        "capabilities": {name: status.get(name, "?") for name in sets},
        "no new privileges": status.get("NoNewPrivs", "?"),
    }


def own_namespaces(of_the_harness: dict[str, str]) -> list[str]:
    """Kinds of namespaces that this process does not share with the harness."""
    return sorted(
        kind
        for kind, link in of_the_harness.items()
        if os.readlink(f"/proc/self/ns/{kind}") != link
    )


def leads_out(address: tuple[str, int], family: int) -> bool:
    """Whether there is a route; a connected UDP socket sends nothing."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
    except OSError:
        return False
    return True


def name_servers() -> list[str]:
    """The configured name servers that answer a query."""
    question = bytes.fromhex("1a2b01000001000000000000076578616d706c6500") + b"\0\1\0\1"
    found = []
    lines = text_of("/etc/resolv.conf").splitlines()
    listed = [line.split()[1] for line in lines if line.startswith("nameserver ")]
    for server in listed[:3]:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((server, 53))
                probe.send(question)
                if select.select([probe], [], [], 0.3)[0] and probe.recv(512):
                    found.append(server)
        except OSError:
            continue
    return found


def reaches_abstract(name: str) -> bool:
    """Whether a Unix socket without a file, opened by the harness, can be connected to."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect("\0" + name)
    except OSError:
        return False
    return True


def mounts() -> list[str]:
    """Mount points with their access modes, without the engine's masks below /proc and /sys."""
    found = []
    for line in text_of("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if not fields[4].startswith(("/proc/", "/sys/")):
            found.append(f"{fields[4]} {'ro' if 'ro' in fields[5].split(',') else 'rw'}")
    return sorted(found)


def file_system_of(place: str) -> str:
    """The type of the file system that is mounted at a place."""
    for line in text_of("/proc/self/mountinfo").splitlines():
        mount, _, what = line.partition(" - ")
        if mount.split()[4] == place:
            return what.split()[0]
    return "no mount"


def telling(paths: list[str]) -> list[str]:
    """Which of these files and directories can be read and are not empty."""
    found = []
    for path in paths:
        try:
            something = os.listdir(path) if os.path.isdir(path) else text_of(path)
        except (OSError, UnicodeDecodeError):
            continue
        if something:
            found.append(path)
    return found


def network_files() -> list[str]:
    """Files of the network namespace that can be read, by this process or by another one."""
    here = {path for path in _network_files() if _opens(path)}
    gate, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(report, " ".join(sorted(filter(_opens, _network_files()))).encode())
        finally:
            os._exit(0)
    os.close(report)
    with open(gate) as told:
        here |= set(told.read().split())
    os.waitpid(child, 0)
    return sorted(here)


def _network_files() -> list[str]:
    top = "/proc/self/net"
    return [os.path.join(place, name) for place, _, names in os.walk(top) for name in names]


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def writable() -> list[str]:
    """Directories that this process may write to; their subdirectories are left out."""
    found = []
    for place, below, _ in os.walk("/"):
        if place == "/":
            below[:] = [name for name in below if name != "proc"]
        if os.access(place, os.W_OK):
            found.append(place)
            if place != "/":
                below.clear()
    return sorted(found)


def stored() -> list[str]:
    """Find what an earlier container left in the places where something can be left."""
    found = [
        os.path.join(place, name)
        for store in STORES
        for place, folders, files in os.walk(store)
        for name in (*folders, *files)
    ]
    for kind in ("shm", "sem", "msg"):
        try:
            lines = text_of(f"/proc/sysvipc/{kind}").splitlines()[1:]
        except OSError:
            continue
        found += [f"System V {kind} {line.split()[1]}" for line in lines]
    return sorted(found)


def leave() -> list[str]:
    """Leave something wherever that is possible, so that the next container may find it."""
    left = []
    for store in STORES:
        try:
            with open(f"{store}/{LEFT}", "x"):
                left.append(f"{store}/{LEFT}")
        except OSError:
            continue
    if ctypes.CDLL(None).shmget(0x1EF7, 4096, 0o1600) >= 0:
        left.append("System V shm")
    return left
