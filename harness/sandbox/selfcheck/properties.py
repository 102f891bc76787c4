"""What must be true of a sandbox, property by property: the flag that makes it so, and how what
the probes inside tell is put into the words in which it is expected.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.sandbox.docker import seccomp
from harness.sandbox.docker.readback import compared, profile_name
from harness.sandbox.limits import MARKER, OPEN_FILES, OUTPUT, OUTPUT_FILES, SCRATCH, USER_ID
from harness.sandbox.protocol import Job
from harness.sandbox.selfcheck.host import NAMESPACES, amount, capabilities

Told = Mapping[str, Any]

_ENGINES_MOUNTS = frozenset(
    {
        *("/", "/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/proc", "/sys"),  # noqa: S108
        *("/etc/hostname", "/etc/hosts", "/etc/resolv.conf"),
    }
)
_MIB = 1 << 20
_MEMORY_SLACK_BYTES = 32 * _MIB  # what the other process and the page tables take
_STORES = 4  # /tmp, /output, /dev/shm, /dev/mqueue


@dataclass(frozen=True)
class Property:
    """One property of the sandbox.

    ``inside`` puts what the probes tell into words that are compared with ``expected``; so are
    those found from outside under ``name``. ``default_too`` says why a container with the
    engine's defaults may have the property as well; empty when it must not.
    """

    name: str
    flag: str
    expected: str
    inside: Callable[[Told], str] | None = None
    default_too: str = ""


def properties(
    job: Job,
    *,
    environment: Iterable[str],
    info: Mapping[str, Any],
    runtime: str,
    reported: int,
) -> tuple[Property, ...]:
    """All properties, for a sandbox with the limits of ``job``.

    Args:
        job: a train phase.
        environment: ``NAME=VALUE`` entries that should be the whole environment.
        info: the engine's description of itself.
        runtime: the engine's runtime that should run the phase.
        reported: how many properties the engine is asked back for.
    """
    return (
        *_network(),
        *_rights(info),
        *_files(job, list(environment)),
        *_bounds(job, info),
        *_calls(info),
        Property("as the engine reports", "all of them", f"{reported} properties of {reported}"),
        Property("seccomp profile", "seccomp=", profile_name(seccomp.security_option())),
        Property(
            "runtime",
            "runtime=",
            runtime,
            default_too="it is the engine's default" * (info.get("DefaultRuntime") == runtime),
        ),
        Property("traces at the engine", "removal at the end", "none"),
        Property(
            "leftovers",
            "a fresh container and volume",
            f"none of {_STORES} things left by the run before",
            lambda told: (
                ", ".join(told["leftovers"])
                or f"none of {len(told['left before'])} things left by the run before"
            ),
            default_too="every container is fresh; what could outlast it (keyrings, mounted "
            "directories) is refused or read-only",
        ),
    )


def _network() -> tuple[Property, ...]:
    return (
        Property(
            "interfaces", "--network none", "lo", lambda told: ", ".join(sorted(told["interfaces"]))
        ),
        Property("routes", "--network none", "none", _listed("routes")),
        Property(
            "name servers",
            "--network none",
            "none",
            _listed("name servers"),
            default_too="a name server that does not answer cannot be told from none",
        ),
        Property(
            "abstract sockets of the host",
            "--network none",
            "out of reach",
            lambda told: "within reach" if told["abstract socket"] else "out of reach",
            default_too="every network but the host's is a namespace of its own",
        ),
        Property("host name", "--hostname", "localhost", lambda told: str(told["host name"])),
    )


def _rights(info: Mapping[str, Any]) -> tuple[Property, ...]:
    private = "with control groups of version 2 the engine does so by itself"
    return (
        Property(
            "user", "--user", f"{USER_ID}:{USER_ID}", lambda told: str(told["identity"]["user"])
        ),
        Property(
            "capabilities",
            "--cap-drop ALL",
            "none",
            lambda told: capabilities(told["identity"]["capabilities"]),
        ),
        Property(
            "no new privileges",
            "no-new-privileges",
            "yes",
            lambda told: "yes" if told["identity"]["no new privileges"] == "1" else "no",
        ),
        Property(
            "namespaces",
            "--cgroupns private",
            ", ".join(NAMESPACES),
            _listed("namespaces"),
            default_too=private if str(info.get("CgroupVersion")) == "2" else "",
        ),
        Property(
            "processes seen",
            "private process namespace",
            "1",
            lambda told: ", ".join(map(str, told["processes seen"])),
            default_too="the engine does so by itself",
        ),
        Property(
            "descriptors at the start",
            "none: proves the runtime",
            "0, 1, 2",
            lambda told: ", ".join(map(str, told["descriptors"])),
            default_too="a runtime that hands none of its own over does so always",
        ),
        Property(
            "engine's socket",
            "our mounts only",
            "none",
            _listed("engine's socket"),
            default_too="the engine mounts only what it is told to",
        ),
    )


def _files(job: Job, environment: list[str]) -> tuple[Property, ...]:
    ours = [f"{job.code.target} ro", f"{OUTPUT} rw", f"{SCRATCH} rw"]
    ours += [f"{mount.target} ro" for mount in job.mounts]
    exactly, _ = compared(environment, environment)
    return (
        Property(
            "root file system",
            "--read-only",
            "read-only",
            lambda told: "read-only" if "/ ro" in told["mounts"] else "writable",
        ),
        Property(
            "writable places",
            "--read-only",
            ", ".join(sorted([str(OUTPUT), str(SCRATCH), "/dev/mqueue", "/dev/shm"])),  # noqa: S108
            _listed("writable"),
        ),
        Property(
            "mounts",
            "--mount, --tmpfs",
            ", ".join(sorted(ours)),
            lambda told: ", ".join(
                mount for mount in told["mounts"] if mount.split()[0] not in _ENGINES_MOUNTS
            ),
        ),
        Property(
            "environment",
            "--env",
            exactly,
            lambda told: compared(environment, without_marker(told["environment"]))[1],
        ),
    )


def _bounds(job: Job, info: Mapping[str, Any]) -> tuple[Property, ...]:
    limits = job.limits
    numbers = (
        ("processes", "--pids-limit", limits.processes),
        ("open files", "--ulimit nofile", OPEN_FILES),
        ("shared memory", "--shm-size", limits.shm_bytes),
        ("scratch", "--tmpfs size", limits.scratch_bytes),
        ("output", "volume size", limits.output_bytes),
        ("output files", "volume nr_inodes", OUTPUT_FILES),
    )
    return (
        *(Property(name, flag, amount(number), _number(name)) for name, flag, number in numbers),
        Property(
            "memory",
            "--memory, --memory-swap",
            amount(limits.memory_bytes),
            lambda told: _memory(told["memory"], limits.memory_bytes),
        ),
        Property("log", "--log-driver none", f"cut at {limits.log_bytes:,}"),
        Property(
            "core dumps",
            "--ulimit core",
            "none",
            lambda told: "none" if told["core dumps"] == [0, 0] else "allowed",
            default_too="an engine that may not dump core hands its own limit down",
        ),
        Property(
            "cores",
            "none: all are the submission's",
            amount(info.get("NCPU")),
            _number("cores"),
            default_too="no flag takes cores away",
        ),
    )


def _calls(info: Mapping[str, Any]) -> tuple[Property, ...]:
    version = _version(str(info.get("ServerVersion")))
    x86 = info.get("Architecture") == "x86_64"
    by_itself = "the engine's own profile refuses them too without capabilities; ours always does"
    rows = (
        ("io_uring", ("io_uring_setup", "io_uring_enter", "io_uring_register"), "25.0"),
        ("ptrace", ("ptrace",), ""),
        ("other processes' memory", ("process_vm_readv", "process_vm_writev", "kcmp"), by_itself),
        ("System V and POSIX queues", ("shmget", "semget", "msgget", "mq_open"), ""),
        (
            "page sharing and relics",
            ("splice", "vmsplice", "io_setup", "remap_file_pages", "modify_ldt"),
            "",
        ),
        ("change of user and root", ("setuid", "setgid", "chroot"), ""),
        ("keyrings", ("keyctl", "add_key", "request_key"), by_itself),
        ("bpf and perf", ("bpf", "perf_event_open"), by_itself),
        ("userfaultfd", ("userfaultfd",), by_itself),
        ("new namespaces", ("unshare", "setns", "clone3"), by_itself),
        (
            "mounts and modules",
            ("mount", "fsopen", "open_by_handle_at", "fanotify_init", "mbind", "finit_module"),
            by_itself,
        ),
    )
    sockets = (
        ("AF_VSOCK sockets", ("AF_VSOCK",), "23.0"),
        ("sockets past TCP and UDP", ("AF_NETLINK uevent", "AF_INET MPTCP", "AF_ALG"), ""),
    )
    return (
        *(
            Property(name, "seccomp=", "refused", _refused("calls", names), _since(reason, version))
            for name, names, reason in rows
        ),
        *(
            Property(
                name, "seccomp=", "refused", _refused("sockets", names), _since(reason, version)
            )
            for name, names, reason in sockets
        ),
        Property(
            "32-bit calls",
            "seccomp=",
            "refused",
            lambda told: "refused" if told["32-bit calls"] == "refused" else "allowed",
            "" if x86 else "this processor has none",
        ),
    )


def _since(reason: str, version: tuple[int, int]) -> str:
    """A reason as it is; a version as the reason that it has been reached, or none."""
    if not reason[:1].isdigit():
        return reason
    return f"engines from {reason} on refuse it too" if version >= _version(reason) else ""


def _version(text: str) -> tuple[int, int]:
    parts = [int(part) if part.isdecimal() else 0 for part in text.split(".")[:2]]
    return (parts[0], parts[1]) if len(parts) == 2 else (0, 0)


def without_marker(entries: Iterable[str]) -> list[str]:
    """The variable that names the run differs from run to run."""
    return [entry for entry in entries if not entry.startswith(f"{MARKER}=")]


def _listed(name: str) -> Callable[[Told], str]:
    return lambda told: ", ".join(told[name]) or "none"


def _number(name: str) -> Callable[[Told], str]:
    def words(told: Told) -> str:
        value = told[name]
        return "no such place" if value == -1 else amount(value)

    return words


def _memory(touched: int | None, limit: int) -> str:
    """Memory is charged for more than the child touches, so it is killed a little earlier."""
    if touched is not None and limit - _MEMORY_SLACK_BYTES < touched <= limit:
        return amount(limit)
    return "no limit found" if touched is None else f"killed after {touched:,}"


def _refused(kind: str, names: Iterable[str]) -> Callable[[Told], str]:
    def words(told: Told) -> str:
        # A processor that lacks a call refuses it.
        allowed = [name for name in names if told[kind].get(name, "refused") != "refused"]
        return f"allowed: {', '.join(allowed)}" if allowed else "refused"

    return words
