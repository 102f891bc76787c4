"""What this machine says of a container that runs: the engine, and the kernel where it may tell.

The kernel is asked for the container's first process under ``/proc`` and ``/sys/fs/cgroup``.
What may not be read there (another user's, another layout) is left out, never guessed.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.sandbox.limits import OUTPUT, SCRATCH
from harness.sandbox.selfcheck.probes import NAMESPACES

CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

_PROC = Path("/proc")
_UNMAPPED = f"{0:>10} {0:>10} {(1 << 32) - 1:>10}\n"
_CGROUPS = Path("/sys/fs/cgroup")
_SIZE = re.compile(r"(?:^|,)size=(\d+)")
_INODES = re.compile(r"(?:^|,)nr_inodes=(\d+)")


def collect(container: Mapping[str, Any], volume: Mapping[str, Any] | None) -> dict[str, str]:
    """Readings by the id of the property; one that cannot be had is missing.

    Args:
        container: the engine's inspection of the running container.
        volume: its inspection of the output volume, where there is one.
    """
    process = int(container["State"].get("Pid") or 0)
    found = _engine(container, volume)
    for read in (_status, _limits, _interfaces, _control_groups, _shared_memory, _namespaces):
        try:
            found |= read(process)
        except (OSError, ValueError, IndexError, KeyError):
            continue
    return found


def amount(value: int | None, most: str = "no limit found") -> str:
    """A number of bytes, files or processes as it is shown and compared."""
    return most if value is None else f"{value:,}"


def capabilities(sets: Mapping[str, str]) -> str:
    """``none``, or the sets that are not empty, in hexadecimal."""
    held = [f"{name} {sets[name].lstrip('0')}" for name in CAPABILITY_SETS if sets[name].strip("0")]
    return ", ".join(held) or "none"


def _engine(container: Mapping[str, Any], volume: Mapping[str, Any] | None) -> dict[str, str]:
    host, config = container["HostConfig"], container["Config"]
    tmpfs = host.get("Tmpfs") or {}
    access = {str(path): "rw" for path in tmpfs}
    access |= {
        str(mount.get("Destination")): "rw" if mount.get("RW") else "ro"
        for mount in container.get("Mounts") or []
    }
    options = str(((volume or {}).get("Options") or {}).get("o", ""))
    scratch = _SIZE.search(str(tmpfs.get(str(SCRATCH), "")))
    size, inodes = _SIZE.search(options), _INODES.search(options)
    log = host.get("LogConfig") or {}
    kept = ", ".join(f"{k}={v}" for k, v in sorted((log.get("Config") or {}).items()))
    shared = any(host.get(key) for key in ("NanoCpus", "CpuQuota", "CpusetCpus"))
    return {
        "no_network": str(host.get("NetworkMode")),
        "host_name": str(config.get("Hostname")),
        "read_only_root": "read-only" if host.get("ReadonlyRootfs") else "writable",
        "own_mounts": ", ".join(f"{path} {how}" for path, how in sorted(access.items())),
        "shared_memory_limit": amount(host.get("ShmSize")),
        "scratch_limit": amount(int(scratch[1]) if scratch else None),
        "output_limit": amount(int(size[1]) if size else None, f"no {OUTPUT}"),
        "output_file_limit": amount(int(inodes[1]) if inodes else None, f"no {OUTPUT}"),
        "process_limit": amount(host.get("PidsLimit") or None),
        "memory_limit": amount(host.get("Memory") or None),
        "log_limit": f"kept by the engine ({log.get('Type')}{': ' if kept else ''}{kept})",
        "all_cores": "fewer than the machine's" if shared else amount(os.cpu_count()),
        "same_runtime": str(host.get("Runtime")),
    }


def _status(process: int) -> dict[str, str]:
    lines = (_PROC / str(process) / "status").read_text().splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    users, groups = status["Uid"].split(), status["Gid"].split()
    # An engine that maps users shows us other numbers than the container has.
    mapped = (_PROC / str(process) / "uid_map").read_text() != _UNMAPPED
    return {
        **({} if mapped else {"unprivileged_user": f"{users[1]}:{groups[1]}"}),
        "no_capabilities": capabilities(status),
        "no_new_privileges": "yes" if status["NoNewPrivs"] == "1" else "no",
    }


def _limits(process: int) -> dict[str, str]:
    text = (_PROC / str(process) / "limits").read_text()
    rows = {line[:26].strip(): line[26:].split() for line in text.splitlines()}
    core, files = rows["Max core file size"], rows["Max open files"]
    return {
        "no_core_dumps": "none" if core[:2] == ["0", "0"] else "allowed",
        "open_file_limit": amount(int(files[1]))
        if files[0] == files[1]
        else f"{files[0]} to {files[1]}",
    }


def _interfaces(process: int) -> dict[str, str]:
    lines = (_PROC / str(process) / "net/dev").read_text().splitlines()[2:]
    return {"no_network": ", ".join(sorted(line.partition(":")[0].strip() for line in lines))}


def _control_groups(process: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (_PROC / str(process) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for kind in controllers.split(",") if controllers else ("processes", "memory"):
            folder = _CGROUPS / controllers / path.lstrip("/")
            if kind in ("pids", "processes"):
                found["process_limit"] = _first(folder, "pids.max")
            elif kind == "memory":
                found["memory_limit"] = _first(folder, "memory.limit_in_bytes", "memory.max")
    return {name: text for name, text in found.items() if text}


def _first(folder: Path, *names: str) -> str:
    for name in names:
        if (folder / name).exists():
            text = (folder / name).read_text().strip()
            # Version 1 writes no limit as the largest multiple of a page.
            unlimited = not text.isdecimal() or int(text) >= 1 << 62
            return amount(None if unlimited else int(text))
    return ""


def _shared_memory(process: int) -> dict[str, str]:
    found = os.statvfs(_PROC / str(process) / "root/dev/shm")
    return {"shared_memory_limit": amount(found.f_blocks * found.f_frsize)}


def _namespaces(process: int) -> dict[str, str]:
    own = [
        name
        for name in NAMESPACES
        if (_PROC / str(process) / "ns" / name).readlink() != (_PROC / "self/ns" / name).readlink()
    ]
    return {"own_namespaces": ", ".join(own)}
