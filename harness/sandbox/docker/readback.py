"""The isolation in force, as the engine reports it back after the start.

Expected values come from the job; actual ones only from the engine's answers, so a flag that
an engine ignored or rewrote (swap limits without kernel support, say) is seen.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.evidence.isolation import required_of
from harness.evidence.phase import IsolationFact
from harness.safeio.text import plain_line
from harness.sandbox.docker import counters, seccomp
from harness.sandbox.limits import (
    OPEN_FILES,
    OUTPUT,
    SCRATCH,
    USER_ID,
    scratch_options,
    volume_options,
)
from harness.sandbox.protocol import Job
from harness.sandbox.separation import (
    BATCHES_ENDED,
    NET_CLOSED,
    ONE_STATE,
    OWN_MODULUS,
    Copy,
    Settled,
)

_SHOWN = 200
_DIGEST_SHOWN = 16
_ENGINES = "as the engine's"


@dataclass(frozen=True)
class Started:
    """A container that was started: what was asked for, and what the engine says of it.

    ``image_digest`` is the image that should run, ``runtime`` the engine's runtime that should run
    it; ``environment`` are the ``NAME=VALUE`` entries that should be the whole environment.
    ``container`` and ``volume`` are the engine's inspections of the container and of its output
    volume; the latter None where there is none. ``copies`` are those that it should have instead of
    our files, ``copied`` the inspections of their volumes in the same order. ``settled`` is what
    was done before the start; None where nothing was. ``helper`` is the inspection of the container
    that did it, and whose network the phase is to have.
    """

    job: Job
    image_digest: str
    environment: tuple[str, ...]
    runtime: str
    container: Mapping[str, Any]
    volume: Mapping[str, Any] | None
    copies: tuple[Copy, ...] = ()
    copied: tuple[Mapping[str, Any], ...] = ()
    settled: Settled | None = None
    helper: Mapping[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> Mapping[str, Any]:
        """How the container is held, as the engine has it."""
        found: Mapping[str, Any] = self.container["HostConfig"]
        return found

    @property
    def config(self) -> Mapping[str, Any]:
        """What the container runs, as the engine has it."""
        found: Mapping[str, Any] = self.container["Config"]
        return found


def isolation_facts(started: Started) -> tuple[IsolationFact, ...]:
    """One fact for each property that such a phase needs."""
    needed = required_of(output=started.job.output)
    found = {id: read(started) for id, read in READERS.items() if id in needed}
    return tuple(
        IsolationFact(id=id, expected=expected, actual=plain_line(str(actual), _SHOWN * 2))
        for id, (expected, actual) in found.items()
    )


def _flag(value: object) -> str:
    return "true" if value is True else "false"


def _joined(options: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(options.items()))


def _network(it: Started) -> str:
    """The network's kind; where it is the helper's, what that is."""
    return _attached(it.helper if _joined_helper(it) else it.container)


def _joined_helper(it: Started) -> bool:
    return bool(it.helper) and it.host.get("NetworkMode") == f"container:{it.helper.get('Id')}"


def _of_network(it: Started, what: Callable[[Settled], str]) -> str:
    """What the helper did to its network, which is worth something to who has that network."""
    if it.settled is None:
        return "nothing done"
    return what(it.settled) if _joined_helper(it) else "in another network"


def _attached(container: Mapping[str, Any]) -> str:
    mode = str(container["HostConfig"].get("NetworkMode"))
    attached = sorted((container.get("NetworkSettings") or {}).get("Networks") or {})
    return mode if attached in ([], ["none"]) else f"{mode}, attached to {','.join(attached)}"


def _no_new_privileges(options: list[str]) -> bool:
    return any(
        option.replace("=", ":") in ("no-new-privileges", "no-new-privileges:true")
        for option in options
    )


def profile_name(option: str) -> str:
    """A profile of system calls, by its security option, as it is shown."""
    return f"profile {seccomp.digest_of(option)[:_DIGEST_SHOWN]}"


def _seccomp(options: list[str]) -> str:
    found = [option for option in options if option.startswith("seccomp")]
    if not found:
        return "the engine's own profile"
    unconfined = "seccomp=unconfined" in [option.replace(":", "=", 1) for option in found]
    return "unconfined" if unconfined else ", ".join(profile_name(option) for option in found)


def _resource_limits(host: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(limit.get("Name")): f"{limit.get('Soft')}:{limit.get('Hard')}"
        for limit in host.get("Ulimits") or []
    }


def _other_limits(host: Mapping[str, Any]) -> str:
    names = [str(limit.get("Name")) for limit in host.get("Ulimits") or []]
    for ours in ("core", "nofile"):
        if ours in names:
            names.remove(ours)
    return ", ".join(sorted(names)) or "none"


def _log_driver(host: Mapping[str, Any]) -> object:
    return (host.get("LogConfig") or {}).get("Type")


def _capabilities(host: Mapping[str, Any]) -> str:
    dropped = ",".join(host.get("CapDrop") or []) or "none"
    added = ",".join(host.get("CapAdd") or []) or "none"
    return f"dropped {dropped}, added {added}"


def _tmpfs(host: Mapping[str, Any]) -> str:
    return "; ".join(f"{path}: {how}" for path, how in sorted((host.get("Tmpfs") or {}).items()))


def _options(host: Mapping[str, Any]) -> list[str]:
    return [str(option) for option in host.get("SecurityOpt") or []]


def _environment(config: Mapping[str, Any]) -> list[str]:
    # A bare name in the engine's list removes that variable of the image.
    return [entry for entry in config.get("Env") or [] if "=" in entry]


def _devices(host: Mapping[str, Any]) -> str:
    plain = [str(device.get("PathOnHost")) for device in host.get("Devices") or []]
    rules = [str(rule) for rule in host.get("DeviceCgroupRules") or []]
    asked = [
        identifier
        for request in host.get("DeviceRequests") or []
        for identifier in (request.get("DeviceIDs") or [f"count {request.get('Count')}"])
    ]
    return ",".join(plain + rules + asked) or "none"


def _mounts_expected(it: Started) -> list[str]:
    entries = [f"{copy.place} read-only, a volume" for copy in it.copies]
    shared = [mount for mount in it.job.mounts if mount.shared]
    entries += [f"{mount.target} read-only from {mount.source}" for mount in shared]
    return [*entries, f"{OUTPUT} writable, a volume"] if it.job.output else entries


def _mounts(container: Mapping[str, Any]) -> list[str]:
    entries = []
    for mount in container.get("Mounts") or []:
        access = "writable" if mount.get("RW") else "read-only"
        # A volume's source is a place of the engine's own; other facts name its options.
        kind = str(mount.get("Type"))
        source = f" from {mount.get('Source')}" if kind == "bind" else f", a {kind}"
        entries.append(f"{mount.get('Destination')} {access}{source}")
    return entries


def _copies_expected(it: Started) -> list[str]:
    return [_copy(copy.place, copy.digest, copy.volume_options) for copy in it.copies]


def _copies(it: Started) -> list[str]:
    """What the volumes at the places of the copies are, and what was read from them."""
    mounted = {
        str(mount.get("Name")): mount.get("Destination")
        for mount in it.container.get("Mounts") or []
        if mount.get("Type") == "volume"
    }
    digests = it.settled.copies if it.settled else ()
    return [
        _copy(mounted.get(str(volume.get("Name"))), digest, volume.get("Options") or {})
        for volume, digest in zip(it.copied, digests, strict=False)
    ]


def _copy(place: object, digest: str, options: Mapping[str, str]) -> str:
    return f"{place}: {digest[:_DIGEST_SHOWN]} on {_joined(options)}"


def _hidden(it: Started) -> tuple[str, str]:
    masked = counters.masked_paths(accelerators=bool(it.job.accelerators))
    expected = [f"no {path}" for path in masked]
    expected += [f"read-only {path}" for path in counters.read_only_paths()]
    actual = [f"no {path}" for path in it.host.get("MaskedPaths") or []]
    actual += [f"read-only {path}" for path in it.host.get("ReadonlyPaths") or []]
    return compared(expected, actual)


def compared(expected: Iterable[str], actual: Iterable[str]) -> tuple[str, str]:
    """Two lists as short strings that are equal exactly when the lists are (as sorted lists)."""
    wanted, found = sorted(expected), sorted(actual)
    same = f"exactly our {len(wanted)}"
    if wanted == found:
        return same, same
    foreign = [entry for entry in found if entry not in wanted]
    missing = [entry for entry in wanted if entry not in found]
    shown = plain_line(f"foreign {foreign}, missing {missing}", _SHOWN)
    return same, f"{len(found)}: {shown}"


# What was asked for, and what the engine says that it applied.
_Reader = Callable[[Started], tuple[str, object]]

READERS: dict[str, _Reader] = {
    "same_image": lambda it: (it.image_digest, it.container.get("Image")),
    "no_network": lambda it: ("none", _network(it)),
    "host_name": lambda it: ("localhost", it.config.get("Hostname")),
    "unprivileged_user": lambda it: (f"{USER_ID}:{USER_ID}", it.config.get("User")),
    "read_only_root": lambda it: ("true", _flag(it.host.get("ReadonlyRootfs"))),
    "no_capabilities": lambda it: ("dropped ALL, added none", _capabilities(it.host)),
    "not_privileged": lambda it: ("false", _flag(it.host.get("Privileged"))),
    "no_new_privileges": lambda it: ("true", _flag(_no_new_privileges(_options(it.host)))),
    "system_call_profile": lambda it: (
        profile_name(seccomp.security_option()),
        _seccomp(_options(it.host)),
    ),
    "same_runtime": lambda it: (it.runtime, it.host.get("Runtime")),
    "process_limit": lambda it: (str(it.job.limits.processes), it.host.get("PidsLimit")),
    "memory_limit": lambda it: (str(it.job.limits.memory_bytes), it.host.get("Memory")),
    "no_swap": lambda it: (str(it.job.limits.memory_bytes), it.host.get("MemorySwap")),
    "shared_memory_limit": lambda it: (str(it.job.limits.shm_bytes), it.host.get("ShmSize")),
    "open_file_limit": lambda it: (
        f"{OPEN_FILES}:{OPEN_FILES}",
        _resource_limits(it.host).get("nofile"),
    ),
    "no_core_dumps": lambda it: ("0:0", _resource_limits(it.host).get("core")),
    "no_other_limits": lambda it: ("none", _other_limits(it.host)),
    "log_limit": lambda it: ("none", _log_driver(it.host)),
    "no_restart": lambda it: ("no", (it.host.get("RestartPolicy") or {}).get("Name") or "no"),
    "own_processes": lambda it: ("private", it.host.get("PidMode") or "private"),
    "own_ipc_namespace": lambda it: ("private", it.host.get("IpcMode")),
    "own_host_name_namespace": lambda it: ("private", it.host.get("UTSMode") or "private"),
    "own_control_groups": lambda it: ("private", it.host.get("CgroupnsMode")),
    "user_namespace": lambda it: (_ENGINES, it.host.get("UsernsMode") or _ENGINES),
    "no_other_devices": lambda it: (",".join(it.job.accelerators) or "none", _devices(it.host)),
    "scratch_limit": lambda it: (f"{SCRATCH}: {scratch_options(it.job.limits)}", _tmpfs(it.host)),
    "output_limit": lambda it: (
        _joined(volume_options(it.job.limits)),
        _joined((it.volume or {}).get("Options") or {}),
    ),
    "own_mounts": lambda it: compared(_mounts_expected(it), _mounts(it.container)),
    "own_environment": lambda it: compared(it.environment, _environment(it.config)),
    "separate_files": lambda it: compared(_copies_expected(it), _copies(it)),
    "caches_dropped": lambda it: (ONE_STATE, it.settled.state if it.settled else "nothing done"),
    "host_counters_hidden": _hidden,
    "network_counters_hidden": lambda it: (NET_CLOSED, _of_network(it, lambda done: done.net)),
    "own_source_ports": lambda it: (OWN_MODULUS, _of_network(it, lambda done: done.source_ports)),
    "inode_batches_ended": lambda it: (
        BATCHES_ENDED,
        it.settled.inodes if it.settled else "nothing done",
    ),
}
"""How each property is read back: these are the ones that this backend proves."""
