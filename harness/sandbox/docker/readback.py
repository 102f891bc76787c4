"""The isolation in force, as the engine reports it back after the start.

Expected values come from the job; actual ones only from the engine's answers, so a flag that
an engine ignored or rewrote (swap limits without kernel support, say) is seen.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.evidence.phase import IsolationFact
from harness.safeio.text import plain_line
from harness.sandbox.docker import seccomp
from harness.sandbox.limits import OPEN_FILES, OUTPUT, SCRATCH, USER_ID, scratch_options
from harness.sandbox.protocol import Job

_SHOWN = 200
_DIGEST_SHOWN = 16


def isolation_facts(
    job: Job,
    *,
    image_digest: str,
    environment: Iterable[str],
    container: Mapping[str, Any],
    runtime: str,
    volume: Mapping[str, Any] | None,
    volume_expected: Mapping[str, str],
) -> tuple[IsolationFact, ...]:
    """One fact for each property.

    Args:
        job: what was asked for.
        image_digest: the image that should run.
        environment: ``NAME=VALUE`` entries that should be the whole environment.
        container: the engine's inspection of the started container.
        runtime: the engine's runtime that should run it.
        volume: its inspection of the output volume; None in the score phase.
        volume_expected: the driver options that the volume should have.
    """
    host = container["HostConfig"]
    config = container["Config"]
    limits = job.limits
    dropped = ",".join(host.get("CapDrop") or []) or "none"
    added = ",".join(host.get("CapAdd") or []) or "none"
    options = [str(option) for option in host.get("SecurityOpt") or []]
    facts = [
        ("image", image_digest, container.get("Image")),
        ("network", "none", _network(container)),
        ("hostname", "localhost", config.get("Hostname")),
        ("user", f"{USER_ID}:{USER_ID}", config.get("User")),
        ("read-only root", "true", _flag(host.get("ReadonlyRootfs"))),
        ("capabilities", "dropped ALL, added none", f"dropped {dropped}, added {added}"),
        ("privileged", "false", _flag(host.get("Privileged"))),
        ("no new privileges", "true", _flag(_no_new_privileges(options))),
        ("seccomp", profile_name(seccomp.security_option()), _seccomp(options)),
        ("runtime", runtime, host.get("Runtime")),
        ("processes", str(limits.processes), str(host.get("PidsLimit"))),
        ("memory", str(limits.memory_bytes), str(host.get("Memory"))),
        ("memory and swap", str(limits.memory_bytes), str(host.get("MemorySwap"))),
        ("shared memory", str(limits.shm_bytes), str(host.get("ShmSize"))),
        ("resource limits", _ULIMITS, _ulimits(host)),
        ("log driver", "none", (host.get("LogConfig") or {}).get("Type")),
        ("restart", "no", (host.get("RestartPolicy") or {}).get("Name") or "no"),
        ("process namespace", "private", host.get("PidMode") or "private"),
        ("ipc namespace", "private", host.get("IpcMode")),
        ("host name namespace", "private", host.get("UTSMode") or "private"),
        ("control group namespace", "private", host.get("CgroupnsMode")),
        ("user namespace", "as the engine's", host.get("UsernsMode") or "as the engine's"),
        ("devices", ",".join(job.accelerators) or "none", _devices(host)),
    ]
    facts.append(
        (
            "scratch",
            f"{SCRATCH}: {scratch_options(limits)}",
            "; ".join(f"{path}: {how}" for path, how in sorted((host.get("Tmpfs") or {}).items())),
        )
    )
    if volume is not None:
        facts.append(("output", _joined(volume_expected), _joined(volume.get("Options") or {})))
    facts.append(("mounts", *compared(_mounts_expected(job), _mounts(container))))
    # A bare name in the engine's list removes that variable of the image.
    actual = [entry for entry in config.get("Env") or [] if "=" in entry]
    facts.append(("environment", *compared(environment, actual)))
    return tuple(
        IsolationFact(name=name, expected=expected, actual=plain_line(str(found), _SHOWN * 2))
        for name, expected, found in facts
    )


_ULIMITS = f"core 0:0, nofile {OPEN_FILES}:{OPEN_FILES}"


def _flag(value: object) -> str:
    return "true" if value is True else "false"


def _joined(options: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(options.items()))


def _network(container: Mapping[str, Any]) -> str:
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


def _ulimits(host: Mapping[str, Any]) -> str:
    found = sorted(
        (str(u.get("Name")), u.get("Soft"), u.get("Hard")) for u in host.get("Ulimits") or []
    )
    return ", ".join(f"{name} {soft}:{hard}" for name, soft, hard in found)


def _devices(host: Mapping[str, Any]) -> str:
    plain = [str(device.get("PathOnHost")) for device in host.get("Devices") or []]
    rules = [str(rule) for rule in host.get("DeviceCgroupRules") or []]
    asked = [
        identifier
        for request in host.get("DeviceRequests") or []
        for identifier in (request.get("DeviceIDs") or [f"count {request.get('Count')}"])
    ]
    return ",".join(plain + rules + asked) or "none"


def _mounts_expected(job: Job) -> list[str]:
    entries = [f"{mount.target} read-only from {mount.source}" for mount in (job.code, *job.mounts)]
    return [*entries, f"{OUTPUT} writable"] if job.phase == "train" else entries


def _mounts(container: Mapping[str, Any]) -> list[str]:
    entries = []
    for mount in container.get("Mounts") or []:
        access = "writable" if mount.get("RW") else "read-only"
        # A volume's source is a place of the engine's own; the output fact names its options.
        source = f" from {mount.get('Source')}" if mount.get("Type") == "bind" else ""
        entries.append(f"{mount.get('Destination')} {access}{source}")
    return entries


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
