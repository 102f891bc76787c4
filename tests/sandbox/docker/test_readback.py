"""Isolation facts: each property that an engine reports differently fails its own fact."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from harness.evidence.isolation import REQUIRED
from harness.evidence.phase import IsolationFact
from harness.inside.counts import range_at
from harness.inside.settle import FEW_NAMES, NAMES
from harness.sandbox import limits
from harness.sandbox.docker import backend as docker_backend
from harness.sandbox.docker import counters, seccomp
from harness.sandbox.docker.readback import READERS, Started, isolation_facts
from harness.sandbox.protocol import Job, Mount
from harness.sandbox.separation import Copy, Settled
from tests.sandbox.conftest import LIMITS, MIB

CORE = {"Name": "core", "Soft": 0, "Hard": 0}
FILES = {"Name": "nofile", "Soft": limits.OPEN_FILES, "Hard": limits.OPEN_FILES}
VOLUME = {"Options": limits.volume_options(LIMITS)}
CODE = Copy(
    source=Path("/code"),
    place=PurePosixPath("/submission"),
    name="",
    digest="c" * 64,
    size_bytes=2 * MIB,
    files=20,
)
SETTLED = Settled(
    copies=(CODE.digest,),
    names_made=NAMES,
    pages_told=True,
    pages=1,
    net_closed=60,
    ports=range_at(0),
    cores=2,
    cores_ended=2,
)
HELPER = {
    "Id": "5e771e",
    "HostConfig": {"NetworkMode": "none"},
    "NetworkSettings": {"Networks": {"none": {}}},
}
OF_NETWORK = ["network_counters_hidden", "own_source_ports"]


class TestIsolationFacts:
    """Each property that an engine reports differently makes exactly its own fact fail."""

    def container(self) -> dict[str, Any]:
        return {
            "Image": "sha256:1",
            "Config": {"Hostname": "localhost", "User": "10001:10001", "Env": ["A=1", "BARE"]},
            "HostConfig": {
                "NetworkMode": "container:5e771e",
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "CapAdd": None,
                "Privileged": False,
                "SecurityOpt": ["no-new-privileges", seccomp.security_option()],
                "PidsLimit": LIMITS.processes,
                "Memory": LIMITS.memory_bytes,
                "MemorySwap": LIMITS.memory_bytes,
                "ShmSize": LIMITS.shm_bytes,
                "Ulimits": [CORE, FILES],
                "LogConfig": {"Type": "none"},
                "RestartPolicy": {"Name": ""},
                "PidMode": "",
                "IpcMode": "private",
                "UTSMode": "",
                "CgroupnsMode": "private",
                "UsernsMode": "",
                "Runtime": "runc",
                "Tmpfs": {"/tmp": limits.scratch_options(LIMITS)},
                "MaskedPaths": list(counters.masked_paths(accelerators=False)),
                "ReadonlyPaths": list(counters.read_only_paths()),
            },
            "NetworkSettings": {"Networks": {}},
            "Mounts": [
                {"Type": "volume", "Destination": "/submission", "RW": False, "Name": "copy"},
                {"Type": "volume", "Destination": "/output", "RW": True, "Source": "/var/x"},
            ],
        }

    def failing(self, container: dict[str, Any]) -> list[str]:
        return [fact.id for fact in self.facts(container) if not fact.holds]

    def facts(
        self,
        container: dict[str, Any],
        volume: dict[str, Any] | None = VOLUME,
        *,
        copied: dict[str, Any] | None = None,
        settled: Settled | None = SETTLED,
        helper: dict[str, Any] = HELPER,
    ) -> tuple[IsolationFact, ...]:
        job = Job(
            label="train",
            output=True,
            command=("true",),
            environment={},
            code=Mount(Path("/code"), PurePosixPath("/submission")),
            mounts=(),
            limits=LIMITS,
            wallclock_seconds=1,
            log=Path("/log"),
        )
        return isolation_facts(
            Started(
                job=job,
                image_digest="sha256:1",
                environment=("A=1",),
                runtime="runc",
                container=container,
                volume=volume,
                copies=(CODE,),
                copied=(copied or {"Name": "copy", "Options": CODE.volume_options},),
                settled=settled,
                helper=helper,
            )
        )

    def test_all_hold(self) -> None:
        assert self.failing(self.container()) == []

    def test_an_output_without_its_limit(self) -> None:
        for volume in (None, {"Options": None}, {"Options": {"type": "tmpfs"}}):
            facts = self.facts(self.container(), volume)
            assert [fact.id for fact in facts if not fact.holds] == ["output_limit"]

    def test_what_is_read_back_is_what_a_verdict_needs_and_what_the_backend_states(self) -> None:
        assert set(READERS) == REQUIRED == docker_backend.PROVES
        assert [fact.id for fact in self.facts(self.container())] == list(READERS)

    @pytest.mark.parametrize(
        "other", [None, "seccomp=unconfined", "seccomp:unconfined", "seccomp={}"]
    )
    def test_another_profile_of_system_calls(self, other: str | None) -> None:
        container = self.container()
        container["HostConfig"]["SecurityOpt"] = ["no-new-privileges", *([other] if other else [])]
        assert self.failing(container) == ["system_call_profile"]

    def test_a_second_profile_beside_ours(self) -> None:
        container = self.container()
        container["HostConfig"]["SecurityOpt"].append("seccomp=unconfined")
        assert self.failing(container) == ["system_call_profile"]

    @pytest.mark.parametrize(
        ("section", "key", "value", "name"),
        [
            ("", "Image", "sha256:2", "same_image"),
            ("Config", "User", "", "unprivileged_user"),
            ("Config", "Env", ["A=1", "B=2"], "own_environment"),
            ("Config", "Env", ["A=2"], "own_environment"),
            ("HostConfig", "ReadonlyRootfs", False, "read_only_root"),
            ("HostConfig", "CapDrop", None, "no_capabilities"),
            ("HostConfig", "CapAdd", ["SYS_ADMIN"], "no_capabilities"),
            ("HostConfig", "Privileged", True, "not_privileged"),
            ("HostConfig", "SecurityOpt", [seccomp.security_option()], "no_new_privileges"),
            ("HostConfig", "Runtime", "runsc", "same_runtime"),
            ("HostConfig", "CgroupnsMode", "host", "own_control_groups"),
            ("HostConfig", "UsernsMode", "host", "user_namespace"),
            ("HostConfig", "PidsLimit", None, "process_limit"),
            ("HostConfig", "Memory", 0, "memory_limit"),
            ("HostConfig", "MemorySwap", -1, "no_swap"),
            ("HostConfig", "ShmSize", 1, "shared_memory_limit"),
            ("HostConfig", "Ulimits", [CORE], "open_file_limit"),
            ("HostConfig", "Ulimits", [CORE, FILES | {"Soft": 1}], "open_file_limit"),
            ("HostConfig", "Ulimits", [FILES], "no_core_dumps"),
            ("HostConfig", "Ulimits", [CORE | {"Hard": -1}, FILES], "no_core_dumps"),
            ("HostConfig", "Ulimits", [CORE, FILES, FILES], "no_other_limits"),
            ("HostConfig", "Ulimits", [CORE, FILES, {"Name": "nproc"}], "no_other_limits"),
            ("HostConfig", "LogConfig", {"Type": "json-file"}, "log_limit"),
            ("HostConfig", "PidMode", "host", "own_processes"),
            ("HostConfig", "IpcMode", "host", "own_ipc_namespace"),
            ("HostConfig", "UTSMode", "host", "own_host_name_namespace"),
            ("HostConfig", "Devices", [{"PathOnHost": "/dev/kmsg"}], "no_other_devices"),
            (
                "HostConfig",
                "DeviceRequests",
                [{"Count": -1, "DeviceIDs": None}],
                "no_other_devices",
            ),
            ("HostConfig", "Tmpfs", {}, "scratch_limit"),
            ("HostConfig", "MaskedPaths", None, "host_counters_hidden"),
            ("HostConfig", "MaskedPaths", ["/proc/kcore"], "host_counters_hidden"),
            ("HostConfig", "ReadonlyPaths", [], "host_counters_hidden"),
        ],
    )
    def test_one_that_differs(self, section: str, key: str, value: object, name: str) -> None:
        container = self.container()
        (container[section] if section else container)[key] = value
        assert self.failing(container) == [name]

    @pytest.mark.parametrize("network", ["bridge", "host", "container:0abc"])
    def test_a_network_that_is_not_the_helpers(self, network: str) -> None:
        container = self.container()
        container["HostConfig"]["NetworkMode"] = network
        assert self.failing(container) == ["no_network", *OF_NETWORK]

    def test_one_that_leads_nowhere_is_still_not_the_one_that_was_closed(self) -> None:
        container = self.container()
        container["HostConfig"]["NetworkMode"] = "none"
        assert self.failing(container) == OF_NETWORK

    @pytest.mark.parametrize(
        "how",
        [
            {"HostConfig": {"NetworkMode": "bridge"}},
            {"NetworkSettings": {"Networks": {"none": {}, "bridge": {}}}},
        ],
    )
    def test_a_helper_that_has_a_network(self, how: dict[str, Any]) -> None:
        facts = self.facts(self.container(), helper=HELPER | how)
        assert [fact.id for fact in facts if not fact.holds] == ["no_network"]

    @pytest.mark.parametrize(
        ("seen", "id", "said"),
        [
            ({"net_open": 1}, "network_counters_hidden", "1 open, 60 closed"),
            ({"net_closed": 0}, "network_counters_hidden", "0 open, 0 closed"),
            ({"ports": ()}, "own_source_ports", "source ports ()"),
            ({"ports": (32768, 60999)}, "own_source_ports", "source ports (32768, 60999)"),
            ({"cores_ended": 1}, "inode_batches_ended", "on 1 of 2 cores"),
            ({"cores": 0, "cores_ended": 0}, "inode_batches_ended", "on 0 of 0 cores"),
        ],
    )
    def test_counts_that_were_not_seen_to_be_closed(
        self, seen: dict[str, Any], id: str, said: str
    ) -> None:
        facts = self.facts(self.container(), settled=SETTLED.model_copy(update=seen))
        assert [(it.id, it.actual) for it in facts if not it.holds] == [(id, said)]

    def test_no_mounts_at_all(self) -> None:
        container = self.container()
        container["Mounts"] = []
        assert self.failing(container) == ["own_mounts", "separate_files"]

    def test_our_files_themselves_instead_of_copies(self) -> None:
        container = self.container()
        container["Mounts"][0] |= {"Type": "bind", "Source": "/code"}
        assert self.failing(container) == ["own_mounts", "separate_files"]

    @pytest.mark.parametrize(
        "copied",
        [
            {"Name": "copy", "Options": None},
            {"Name": "copy", "Options": CODE.volume_options | {"device": "/dev/sda"}},
            {"Name": "another", "Options": CODE.volume_options},
        ],
    )
    def test_a_copy_on_another_file_system(self, copied: dict[str, Any]) -> None:
        facts = self.facts(self.container(), copied=copied)
        assert [fact.id for fact in facts if not fact.holds] == ["separate_files"]

    def test_a_copy_of_something_else(self) -> None:
        settled = SETTLED.model_copy(update={"copies": ("d" * 64,)})
        facts = self.facts(self.container(), settled=settled)
        assert [fact.id for fact in facts if not fact.holds] == ["separate_files"]

    def test_nothing_done_before_the_start(self) -> None:
        facts = self.facts(self.container(), settled=None)
        failing = {fact.id: fact.actual for fact in facts if not fact.holds}
        others = {"separate_files", "caches_dropped", "inode_batches_ended"}
        assert set(failing) == {*others, *OF_NETWORK}
        assert failing["caches_dropped"] == "nothing done"

    @pytest.mark.parametrize(
        ("seen", "said"),
        [
            ({"refused": "Permission denied", "names_made": 0}, "not made to forget: Permission"),
            ({"names_made": NAMES - 1}, "does not say which names"),
            ({"names_left": FEW_NAMES + 1}, "41 names still remembered, of 4,096"),
            ({"pages_told": False}, "does not say which pages"),
            ({"pages_lacking": 3, "pages": 9}, "3 pages of 9 do not stay in memory"),
        ],
    )
    def test_a_kernel_that_was_not_seen_to_forget(self, seen: dict[str, Any], said: str) -> None:
        settled = SETTLED.model_copy(update=seen)
        facts = self.facts(self.container(), settled=settled)
        ((id, actual),) = ((fact.id, fact.actual) for fact in facts if not fact.holds)
        assert id == "caches_dropped"
        assert said in actual

    def test_a_writable_or_foreign_mount(self) -> None:
        container = self.container()
        container["Mounts"][0]["RW"] = True
        assert self.failing(container) == ["own_mounts"]
        container = self.container()
        container["Mounts"].append({"Type": "volume", "Destination": "/data", "RW": True})
        assert self.failing(container) == ["own_mounts"]
