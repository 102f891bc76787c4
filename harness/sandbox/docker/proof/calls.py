"""Which system calls and sockets are expected to be refused in a container of ours."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.sandbox.selfcheck.proof import Expected, Told


def system_calls(info: Mapping[str, Any]) -> tuple[Expected, ...]:
    """The properties that the profile of system calls is answerable for.

    Args:
        info: the engine's description of itself.
    """
    version = _version(str(info.get("ServerVersion")))
    x86 = info.get("Architecture") == "x86_64"
    by_itself = "the engine's own profile refuses them too without capabilities; ours always does"
    rows = (
        ("no_io_uring", ("io_uring_setup", "io_uring_enter", "io_uring_register"), "25.0"),
        ("no_ptrace", ("ptrace",), ""),
        ("no_foreign_memory", ("process_vm_readv", "process_vm_writev", "kcmp"), by_itself),
        ("no_system_v", ("shmget", "semget", "msgget", "mq_open"), ""),
        (
            "no_page_sharing",
            ("splice", "vmsplice", "io_setup", "remap_file_pages", "modify_ldt"),
            "",
        ),
        ("no_change_of_user", ("setuid", "setgid", "chroot"), ""),
        ("no_keyrings", ("keyctl", "add_key", "request_key"), by_itself),
        ("no_bpf", ("bpf", "perf_event_open"), by_itself),
        ("no_userfaultfd", ("userfaultfd",), by_itself),
        ("no_new_namespaces", ("unshare", "setns", "clone3"), by_itself),
        (
            "no_mounting",
            ("mount", "fsopen", "open_by_handle_at", "fanotify_init", "mbind", "finit_module"),
            by_itself,
        ),
    )
    sockets = (
        ("no_vsock", ("AF_VSOCK",), "23.0"),
        ("no_other_sockets", ("AF_NETLINK uevent", "AF_INET MPTCP", "AF_ALG"), ""),
    )
    return (
        *(
            Expected(id, "seccomp=", "refused", _refused("calls", names), _since(reason, version))
            for id, names, reason in rows
        ),
        *(
            Expected(id, "seccomp=", "refused", _refused("sockets", names), _since(reason, version))
            for id, names, reason in sockets
        ),
        Expected("no_kernel_cookies", "seccomp=", "refused", _all_refused("no_kernel_cookies")),
        Expected(
            "no_32_bit_calls",
            "seccomp=",
            "refused",
            lambda told: "refused" if told["no_32_bit_calls"] == "refused" else "allowed",
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


def _all_refused(kind: str) -> Callable[[Told], str]:
    return lambda told: _refused(kind, told[kind])(told)


def _refused(kind: str, names: Iterable[str]) -> Callable[[Told], str]:
    def words(told: Told) -> str:
        # A processor that lacks a call refuses it.
        allowed = [name for name in names if told[kind].get(name, "refused") != "refused"]
        return f"allowed: {', '.join(allowed)}" if allowed else "refused"

    return words
