"""The properties that isolate a sandbox: one vocabulary for all the code that names them.

With these ids backends state what they prove, evidence keeps what was read back, and rules name
what is missing. The self-check tries each property from inside and from outside, and the
documentation prints this table.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

BackendName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
PropertyId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Way = Literal["read back", "inside", "outside"]
"""How a property is seen: the backend is asked what it applied, in every phase; trusted code tries
it in a sandbox of the self-check; or the self-check looks at that sandbox from this machine."""

_B: Way = "read back"
_I: Way = "inside"
_O: Way = "outside"


@dataclass(frozen=True)
class Property:
    """One property of a sandbox.

    ``phrase`` says it to a person; ``seen`` are the ways in which it can be seen; ``of`` the phases
    that have it: training alone has an output directory; ``since`` the first edition of this table
    that has it.
    """

    id: str
    phrase: str
    seen: tuple[Way, ...]
    of: Literal["every phase", "phases with output"] = field(default="every phase", kw_only=True)
    since: int = field(default=1, kw_only=True)


PROPERTIES: tuple[Property, ...] = (
    # The network.
    Property("no_network", "no network interface but the loopback", (_B, _I, _O)),
    Property("no_routes", "no route to any other machine", (_I,)),
    Property("no_name_servers", "no name server that answers", (_I,)),
    Property("no_host_sockets", "abstract sockets of the machine are out of reach", (_I,)),
    Property("host_name", "its host name is localhost", (_B, _I, _O)),
    # Rights.
    Property("unprivileged_user", "runs as a user of its own without rights", (_B, _I, _O)),
    Property("no_capabilities", "no capabilities", (_B, _I, _O)),
    Property("not_privileged", "not started as privileged", (_B,)),
    Property("no_new_privileges", "no program gives it new privileges", (_B, _I, _O)),
    Property("own_namespaces", "namespaces of its own, of every kind", (_I, _O)),
    Property("own_processes", "sees its own processes only", (_B, _I)),
    Property("own_ipc_namespace", "shared memory and queues of its own", (_B,)),
    Property("own_host_name_namespace", "a host name of its own", (_B,)),
    Property("own_control_groups", "sees its own control groups only", (_B,)),
    Property("user_namespace", "the user namespace that was asked for", (_B,)),
    Property("no_extra_descriptors", "starts with descriptors 0, 1 and 2 only", (_I,)),
    Property("no_engine_socket", "no socket of the engine", (_I,)),
    Property("no_other_devices", "no devices but the accelerators asked for", (_B,)),
    # Files and variables.
    Property("same_image", "the image that was fixed before the first run", (_B,)),
    Property("read_only_root", "a read-only root file system", (_B, _I, _O)),
    Property("writable_places", "writable in the places meant for that only", (_I,)),
    Property("own_mounts", "our mounts only, with our access", (_B, _I, _O)),
    Property("own_environment", "our environment, to the last variable", (_B, _I, _O)),
    # What another sandbox sees too.
    Property(
        "separate_files", "copies of its own of code, artifact and tokenizer", (_B, _I), since=2
    ),
    Property(
        "caches_dropped", "names forgotten and files in memory, as for every phase", (_B,), since=2
    ),
    Property("host_counters_hidden", "no counters of the whole machine", (_B, _I), since=2),
    Property(
        "network_counters_hidden",
        "no counters of the network of the whole machine",
        (_B, _I),
        since=3,
    ),
    Property("own_source_ports", "source ports by a modulus that no other has", (_B, _I), since=3),
    Property(
        "inode_batches_ended", "no core holds inode numbers from an earlier phase", (_B,), since=3
    ),
    # Limits.
    Property("process_limit", "a limit of processes", (_B, _I, _O)),
    Property("open_file_limit", "a limit of open files", (_B, _I, _O)),
    Property("memory_limit", "a limit of memory", (_B, _I, _O)),
    Property("no_swap", "no swap beyond the memory limit", (_B,)),
    Property("shared_memory_limit", "a limit of shared memory", (_B, _I, _O)),
    Property("scratch_limit", "a limit of scratch space", (_B, _I, _O)),
    Property("output_limit", "a limit of output bytes", (_B, _I, _O), of="phases with output"),
    Property("output_file_limit", "a limit of output files", (_I, _O), of="phases with output"),
    Property("log_limit", "a limit of log bytes; the engine keeps no log", (_B, _O)),
    Property("no_core_dumps", "no core dumps", (_B, _I, _O)),
    Property("no_other_limits", "no resource limits but ours", (_B,)),
    Property("all_cores", "all cores of the machine", (_I, _O)),
    Property("no_restart", "never started a second time", (_B,)),
    # System calls.
    Property("system_call_profile", "our profile of system calls", (_B, _O)),
    Property("no_io_uring", "no io_uring", (_I,)),
    Property("no_ptrace", "no ptrace", (_I,)),
    Property("no_foreign_memory", "no call that reads other processes' memory", (_I,)),
    Property("no_system_v", "no System V objects, no POSIX queues", (_I,)),
    Property("no_page_sharing", "no page sharing, no outdated calls", (_I,)),
    Property("no_change_of_user", "no change of user or root", (_I,)),
    Property("no_keyrings", "no keyrings", (_I,)),
    Property("no_bpf", "no bpf, no perf", (_I,)),
    Property("no_userfaultfd", "no userfaultfd", (_I,)),
    Property("no_new_namespaces", "no new namespaces", (_I,)),
    Property("no_mounting", "no mounting, no kernel modules", (_I,)),
    Property("no_vsock", "no AF_VSOCK sockets", (_I,)),
    Property("no_other_sockets", "no sockets but TCP, UDP, Unix and route", (_I,)),
    Property("no_kernel_cookies", "no cookies, port ranges or filters of sockets", (_I,), since=3),
    Property("no_32_bit_calls", "no 32-bit system calls", (_I,)),
    # The whole.
    Property("same_runtime", "the runtime that was asked for", (_B, _O)),
    Property("read_back_whole", "all that can be read back holds", (_O,)),
    Property("no_traces", "nothing of it remains at the engine", (_O,)),
    Property("no_leftovers", "nothing is there that an earlier one left", (_I,)),
)

EDITION = 3
"""Of this table. A plan names the one that it was made under, and is judged by that for good."""

_BY_ID = {each.id: each for each in PROPERTIES}


def required_in(edition: int | None) -> frozenset[str]:
    """What the evidence of a run must prove for a verdict: all that can be read back in a phase.

    The others are proven once for a machine, by the self-check.

    Args:
        edition: of this table; None for plans of the first one, which did not name it.
    """
    return frozenset(
        each.id for each in PROPERTIES if _B in each.seen and each.since <= (edition or 1)
    )


REQUIRED: frozenset[str] = required_in(EDITION)
"""What a run that is made today must prove."""


def required_of(*, output: bool, edition: int | None = EDITION) -> frozenset[str]:
    """What a phase must prove under an edition; ``output``: it has such a directory."""
    return frozenset(id for id in required_in(edition) if output or _BY_ID[id].of == "every phase")


def phrase_of(id: str) -> str:
    """A property in words; an id that only another edition's table has is returned unchanged."""
    return _BY_ID[id].phrase if id in _BY_ID else id
