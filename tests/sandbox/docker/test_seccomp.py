"""The profile of system calls: its data, what it becomes, and what it does to code inside."""

import json
import platform
import shutil

import pytest
from pydantic import ValidationError

from harness.package import PACKAGE
from harness.sandbox.docker import seccomp
from harness.sandbox.docker.seccomp import AllowWhen, Profile
from tests.sandbox.conftest import LIMITS, MIB, Phases, finished

INSIDE = PACKAGE / "inside" / "selfcheck"
# The specification: closed, whatever the engine's own profile does.
CLOSED = {
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd"),
    *("unshare", "setns", "ptrace", "process_vm_readv", "process_vm_writev"),
}


class TestData:
    def test_what_must_be_closed_is_named_as_refused(self) -> None:
        assert set(seccomp.profile().named_refusals) >= CLOSED

    def test_nothing_refused_is_allowed(self) -> None:
        profile = seccomp.profile()
        allowed = {*profile.allowed, *(rule.call for rule in profile.allow_when)}
        assert allowed.isdisjoint(profile.named_refusals)

    def test_every_line_has_a_reason(self) -> None:
        profile = seccomp.profile()
        reasons = [*profile.allow.values(), *profile.absent.values(), *profile.refused.values()]
        reasons += [rule.reason for rule in profile.allow_when]
        assert all(reason.strip() for reason in reasons)

    @pytest.mark.parametrize(
        ("allow", "refused", "complaint"),
        [
            ({"read": ""}, {}, "reason missing"),
            ({" ": "because"}, {}, "reason missing"),
            ({"read write": "a", "write": "b"}, {}, "on two lines: write"),
            ({"read": "a"}, {"read": "b"}, "on two lines: read"),
        ],
    )
    def test_a_line_without_sense_is_refused(
        self, allow: dict[str, str], refused: dict[str, str], complaint: str
    ) -> None:
        with pytest.raises(ValidationError, match=complaint):
            Profile(architectures=("A",), allow=allow, allow_when=(), absent={}, refused=refused)

    def test_two_conditions_on_one_argument_would_be_alternatives(self) -> None:
        twice = [{"argument": 0, "value": 1}, {"argument": 0, "value": 2}]
        with pytest.raises(ValidationError, match="two conditions on one argument"):
            AllowWhen.model_validate({"call": "socket", "when": twice, "reason": "r"})


class TestJson:
    def test_the_engine_gets_an_allow_list(self) -> None:
        made = json.loads(seccomp.profile().as_json())
        assert made["defaultAction"] == "SCMP_ACT_ERRNO"
        assert [entry["architecture"] for entry in made["archMap"]] == [
            "SCMP_ARCH_X86_64",
            "SCMP_ARCH_AARCH64",
        ]
        assert not any("subArchitectures" in entry for entry in made["archMap"])
        actions = {name: rule for rule in made["syscalls"] for name in rule["names"]}
        assert actions["read"] == made["syscalls"][0]
        assert "args" not in actions["read"]
        assert actions["clone3"]["action"] == "SCMP_ACT_ERRNO"
        assert actions["clone3"]["errnoRet"] == 38
        assert CLOSED.isdisjoint(actions)

    def test_conditions_keep_their_sense(self) -> None:
        rules = json.loads(seccomp.profile().as_json())["syscalls"]
        (clone,) = [rule for rule in rules if rule["names"] == ["clone"]]
        (condition,) = clone["args"]
        assert condition["op"] == "SCMP_CMP_MASKED_EQ"
        assert (condition["index"], condition["valueTwo"]) == (0, 0)
        namespaces = [0x20000, 0x2000000, 0x4000000, 0x8000000]
        namespaces += [0x10000000, 0x20000000, 0x40000000]
        assert all(condition["value"] & flag for flag in namespaces)
        assert not condition["value"] & 0x7D0F00, "the flags of pthread_create"
        families = {rule["args"][0]["value"] for rule in rules if rule["names"] == ["socket"]}
        assert families == {1, 2, 10, 16}

    def test_the_digest_is_that_of_the_data(self) -> None:
        option = seccomp.security_option()
        assert seccomp.digest_of(option) == seccomp.digest_of(seccomp.profile().as_json())
        other = seccomp.profile().model_copy(update={"refused": {}, "absent": {}})
        assert seccomp.digest_of(other.as_json()) != seccomp.digest_of(option)


# By number on x86-64, with arguments to which no kernel answers EPERM or ENOSYS by itself where it
# lets the call through.
REFUSED = {
    "shmat": (30, 0, 0, 0),
    "shmctl": (31, -1, 0, 0),
    "semop": (65, -1, 0, 0),
    "msgsnd": (69, -1, 0, 0, 0),
    "uselib": (134, 0),
    "personality ADDR_NO_RANDOMIZE": (135, 0x40000),
    "ustat": (136, 0, 0),
    "sysfs": (139, 3),
    "pivot_root": (155, 0, 0),
    "adjtimex": (159, 0),
    "acct": (163, 0),
    "umount2": (166, 0, 0),
    "swapon": (167, 0, 0),
    "reboot": (169, 0, 0, 0, 0),
    "sethostname": (170, 0, 0),
    "iopl": (172, 0),
    "init_module": (175, 0, 0, 0),
    "quotactl": (179, -1, 0, 0, 0),
    "io_submit": (209, 0, 0, 0),
    "set_mempolicy": (238, 0, 0, 0),
    "get_mempolicy": (239, 0, 0, 0, 0, 0),
    "fadvise64 POSIX_FADV_DONTNEED": (221, -1, 0, 0, 4),
    "mq_unlink": (241, 0),
    "kexec_load": (246, 0, 0, 0, -1),
    "migrate_pages": (256, 0, 0, 0, 0),
    "move_pages": (279, 0, 0, 0, 0, 0, 0),
    "name_to_handle_at": (303, -1, 0, 0, 0, 0),
    "clock_adjtime": (305, 0, 0),
    "seccomp": (317, 2, 0, 0),
    "tee": (276, -1, -1, 0, 0),
    "open_tree": (428, -1, 0, 0),
    "move_mount": (429, -1, 0, -1, 0, 0),
    "mount_setattr": (442, -1, 0, 0, 0, 0),
    "process_madvise": (440, -1, 0, 0, 0, 0),
    "landlock_create_ruleset": (444, 0, 0, 1),
    "memfd_secret": (447, -1),
    "capset": (126, 0, 0),
    "setresuid": (117, -1, -1, -1),
    "setgroups": (116, 0, 0),
    "clone with a user namespace": (56, 0x10000000 | 17, 0, 0, 0, 0),
    "mknod of a device": (133, 0, 0o020600, 0),
}

TRY_CALLS = f"""
import ctypes, errno, json, os
from inside import calls

libc = ctypes.CDLL(None, use_errno=True)
found = {{}}
for name, (number, *arguments) in {REFUSED!r}.items():
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    found[name] = errno.errorcode.get(ctypes.get_errno(), "done")
print(json.dumps([calls.calls(), calls.sockets(), calls.call_32_bit(), found]))
"""


@pytest.mark.docker
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")
def test_every_refused_call_is_refused(containers: Phases) -> None:
    job = containers.job(TRY_CALLS, phase="score")
    shutil.copytree(INSIDE, job.code.source / "inside", ignore=shutil.ignore_patterns("__pyc*"))
    with containers.sandbox.start(job) as running:
        assert finished(running).outcome == "completed", containers.lines
    calls, sockets, call_32_bit, found = json.loads(containers.lines[0])
    assert {name: said for name, said in calls.items() if said != "refused"} == {}
    assert set(calls) >= CLOSED
    assert {name: said for name, said in sockets.items() if said != "refused"} == {}
    assert call_32_bit == "refused"
    assert {name: said for name, said in found.items() if said not in ("EPERM", "ENOSYS")} == {}


# What training does besides arithmetic: workers, shared tensors, collectives over TCP and Unix
# sockets, compression, child processes, FIFOs, sealed memory files.
TRAIN = """
import fcntl, os, subprocess, sys
import torch, zstandard
import torch.distributed as dist
from torch.utils.data import DataLoader, TensorDataset

if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    data = TensorDataset(torch.arange(32.0).reshape(16, 2))
    loader = DataLoader(data, batch_size=4, num_workers=2)
    model = torch.nn.Linear(2, 1)
    for (batch,) in loader:
        model(batch).mean().backward()
        dist.all_reduce(model.weight.grad)
    whole = zstandard.ZstdCompressor(threads=2).compress(bytes(1 << 20))
    os.mkfifo(f"/tmp/fifo{dist.get_rank()}")
    memory = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, 4096)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    child = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True)
    total = torch.tensor([dist.get_rank() + 1.0])
    dist.all_reduce(total)
    assert total.item() == 3.0
    print(f"trained {len(whole) > 0} {child.stdout.decode().strip()}\\n", end="")
    dist.destroy_process_group()
"""


@pytest.mark.docker
def test_torch_trains_with_workers_under_the_profile(containers: Phases) -> None:
    facts = containers.run(
        TRAIN,
        command=("torchrun", "--standalone", "--nproc_per_node=2", "main.py"),
        environment={"OMP_NUM_THREADS": "1"},
        limits=LIMITS.model_copy(update={"memory_bytes": 3072 * MIB}),
        seconds=240,
    )
    assert facts.outcome == "completed", containers.lines
    assert containers.lines.count("trained True 1") == 2
