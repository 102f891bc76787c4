"""What is expected of a container of ours, property by property: the flag that makes it so, and how
what the probes inside tell is put into the words in which it is expected.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.inside.counts import KEPT_NET, NET
from harness.sandbox.docker import seccomp
from harness.sandbox.docker.proof.calls import system_calls
from harness.sandbox.docker.proof.host import amount, capabilities
from harness.sandbox.docker.readback import compared, profile_name
from harness.sandbox.limits import MARKER, OPEN_FILES, OUTPUT, OUTPUT_FILES, SCRATCH, USER_ID
from harness.sandbox.protocol import Job
from harness.sandbox.selfcheck.probes import NAMESPACES
from harness.sandbox.selfcheck.proof import Expected, Told
from harness.sandbox.separation import OWN_MODULUS, Settled

_ENGINES_MOUNTS = frozenset(
    {
        *("/", "/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/proc", "/sys"),  # noqa: S108
        *("/etc/hostname", "/etc/hosts", "/etc/resolv.conf"),
    }
)
_MIB = 1 << 20
_MEMORY_SLACK_BYTES = 32 * _MIB  # what the other process and the page tables take
_STORES = 4  # /tmp, /output, /dev/shm, /dev/mqueue


def properties(
    job: Job,
    *,
    environment: Iterable[str],
    info: Mapping[str, Any],
    runtime: str,
    reported: int,
) -> tuple[Expected, ...]:
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
        *system_calls(info),
        Expected("read_back_whole", "all of them", f"{reported} properties of {reported}"),
        Expected("system_call_profile", "seccomp=", profile_name(seccomp.security_option())),
        Expected(
            "same_runtime",
            "runtime=",
            runtime,
            default_too="it is the engine's default" * (info.get("DefaultRuntime") == runtime),
        ),
        Expected("no_traces", "removal at the end", "none"),
        Expected(
            "no_leftovers",
            "a fresh container and volume",
            f"none of {_STORES} things left by the run before",
            lambda told: (
                ", ".join(told["no_leftovers"])
                or f"none of {len(told['left before'])} things left by the run before"
            ),
            default_too="every container is fresh; what could outlast it (keyrings, mounted "
            "directories) is refused or read-only",
        ),
    )


def _network() -> tuple[Expected, ...]:
    return (
        Expected(
            "no_network", "--network none", "lo", lambda told: ", ".join(sorted(told["no_network"]))
        ),
        Expected("no_routes", "--network none", "none", _listed("no_routes")),
        Expected(
            "no_name_servers",
            "--network none",
            "none",
            _listed("no_name_servers"),
            default_too="a name server that does not answer cannot be told from none",
        ),
        Expected(
            "no_host_sockets",
            "--network none",
            "out of reach",
            lambda told: "within reach" if told["no_host_sockets"] else "out of reach",
            default_too="every network but the host's is a namespace of its own",
        ),
        Expected("host_name", "--hostname", "localhost", lambda told: str(told["host_name"])),
    )


def _rights(info: Mapping[str, Any]) -> tuple[Expected, ...]:
    private = "with control groups of version 2 the engine does so by itself"
    return (
        Expected(
            "unprivileged_user",
            "--user",
            f"{USER_ID}:{USER_ID}",
            lambda told: str(told["identity"]["user"]),
        ),
        Expected(
            "no_capabilities",
            "--cap-drop ALL",
            "none",
            lambda told: capabilities(told["identity"]["capabilities"]),
        ),
        Expected(
            "no_new_privileges",
            "no-new-privileges",
            "yes",
            lambda told: "yes" if told["identity"]["no new privileges"] == "1" else "no",
        ),
        Expected(
            "own_namespaces",
            "--cgroupns private",
            ", ".join(NAMESPACES),
            _listed("own_namespaces"),
            default_too=private if str(info.get("CgroupVersion")) == "2" else "",
        ),
        Expected(
            "own_processes",
            "private process namespace",
            "1",
            lambda told: ", ".join(map(str, told["own_processes"])),
            default_too="the engine does so by itself",
        ),
        Expected(
            "no_extra_descriptors",
            "none: proves the runtime",
            "0, 1, 2",
            lambda told: ", ".join(map(str, told["no_extra_descriptors"])),
            default_too="a runtime that hands none of its own over does so always",
        ),
        Expected(
            "no_engine_socket",
            "our mounts only",
            "none",
            _listed("no_engine_socket"),
            default_too="the engine mounts only what it is told to",
        ),
    )


def _files(job: Job, environment: list[str]) -> tuple[Expected, ...]:
    ours = [f"{job.code.target} ro", f"{OUTPUT} rw", f"{SCRATCH} rw"]
    ours += [f"{mount.target} ro" for mount in job.mounts]
    exactly, _ = compared(environment, environment)
    return (
        Expected(
            "read_only_root",
            "--read-only",
            "read-only",
            lambda told: "read-only" if "/ ro" in told["mounts"] else "writable",
        ),
        Expected(
            "writable_places",
            "--read-only",
            ", ".join(sorted([str(OUTPUT), str(SCRATCH), "/dev/mqueue", "/dev/shm"])),  # noqa: S108
            _listed("writable_places"),
        ),
        Expected(
            "own_mounts",
            "--mount, --tmpfs",
            ", ".join(sorted(ours)),
            lambda told: ", ".join(
                mount for mount in told["mounts"] if mount.split()[0] not in _ENGINES_MOUNTS
            ),
        ),
        Expected(
            "own_environment",
            "--env",
            exactly,
            lambda told: compared(environment, without_marker(told["own_environment"]))[1],
        ),
        Expected(
            "separate_files",
            "volumes with copies",
            "tmpfs",
            lambda told: str(told["separate_files"]),
        ),
        Expected("host_counters_hidden", "MaskedPaths", "none", _listed("host_counters_hidden")),
        Expected(
            "network_counters_hidden",
            "--network of our helper",
            ", ".join(f"{NET}/{name}" for name in KEPT_NET),
            _listed("network_counters_hidden"),
        ),
        Expected(
            "own_source_ports",
            "--network of our helper",
            OWN_MODULUS,
            lambda told: Settled(copies=(), ports=told["own_source_ports"]).source_ports,
        ),
    )


def _bounds(job: Job, info: Mapping[str, Any]) -> tuple[Expected, ...]:
    limits = job.limits
    numbers = (
        ("process_limit", "--pids-limit", limits.processes),
        ("open_file_limit", "--ulimit nofile", OPEN_FILES),
        ("shared_memory_limit", "--shm-size", limits.shm_bytes),
        ("scratch_limit", "--tmpfs size", limits.scratch_bytes),
        ("output_limit", "volume size", limits.output_bytes),
        ("output_file_limit", "volume nr_inodes", OUTPUT_FILES),
    )
    return (
        *(Expected(id, flag, amount(number), _number(id)) for id, flag, number in numbers),
        Expected(
            "memory_limit",
            "--memory, --memory-swap",
            amount(limits.memory_bytes),
            lambda told: _memory(told["memory_limit"], limits.memory_bytes),
        ),
        Expected("log_limit", "--log-driver none", f"cut at {limits.log_bytes:,}"),
        Expected(
            "no_core_dumps",
            "--ulimit core",
            "none",
            lambda told: "none" if told["no_core_dumps"] == [0, 0] else "allowed",
            default_too="an engine that may not dump core hands its own limit down",
        ),
        Expected(
            "all_cores",
            "none: all are the submission's",
            amount(info.get("NCPU")),
            _number("all_cores"),
            default_too="no flag takes cores away",
        ),
    )


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
