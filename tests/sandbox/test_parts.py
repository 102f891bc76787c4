"""The parts that need no sandbox: text, times, owners, locks, the facts read back."""

import os
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfrastructureError
from harness.evidence.isolation import REQUIRED
from harness.evidence.phase import IsolationFact
from harness.safeio import ownership
from harness.sandbox import limits
from harness.sandbox.docker import backend as docker_backend
from harness.sandbox.docker import engine, seccomp, wheels
from harness.sandbox.docker.readback import READERS, Started, isolation_facts
from harness.sandbox.logs import LogCapture
from harness.sandbox.phase import timestamp
from harness.sandbox.protocol import ArtifactError, Job, Mount
from harness.sandbox.sealing import copy_hashed
from tests.sandbox.conftest import LIMITS, MIB


class TestLogCapture:
    @given(
        parts=st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"bc", b"\xc3", b"\xa9"])),
        size=st.integers(1, 4),
    )
    def test_how_the_output_is_cut_into_chunks_does_not_matter(
        self, parts: list[bytes], size: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        whole = b"".join(parts)
        expected = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        expected = expected if expected[-1] else expected[:-1]
        path = tmp_path_factory.getbasetemp() / "chunks.log"
        log = LogCapture(path, limit_bytes=MIB)
        log.drain(whole[i : i + size] for i in range(0, len(whole), size))
        log.finish(10)
        lines = [line[10:] for line in path.read_text().splitlines()]
        assert lines == [part.decode("utf-8", "replace") for part in expected]
        assert log.stored_bytes == path.stat().st_size

    @pytest.mark.parametrize("chunk", [b"x" * MIB, b"\n" * MIB, b"\x1b[" * (MIB // 2)])
    def test_memory_stays_flat(self, tmp_path: Path, chunk: bytes) -> None:
        log = LogCapture(tmp_path / "log", limit_bytes=MIB)
        tracemalloc.start()
        log.drain(chunk for _ in range(256))
        log.finish(120)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * MIB
        assert (tmp_path / "log").stat().st_size <= MIB

    def test_the_marker_itself_is_within_the_limit(self, tmp_path: Path) -> None:
        for limit in (1, 60, 200):
            log = LogCapture(tmp_path / "log", limit_bytes=limit)
            log.drain([b"hello\n"] * 100)
            log.finish(10)
            assert log.truncated
            assert (tmp_path / "log").stat().st_size <= limit

    def test_a_log_that_cannot_be_made_is_ours(self, tmp_path: Path) -> None:
        with pytest.raises(InfrastructureError, match="cannot write"):
            LogCapture(tmp_path / "none" / "log", limit_bytes=10)


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "nanoseconds"),
        [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T00:30:01.123456789Z", 1_795_307_401_123_456_789),
            ("2026-11-22T00:30:01.1Z", 1_795_307_401_100_000_000),
            ("2026-11-22T02:30:01.1+02:00", 1_795_307_401_100_000_000),
        ],
    )
    def test_exact(self, text: str, nanoseconds: int) -> None:
        assert engine.nanoseconds_of(text) == nanoseconds

    @given(st.integers(0, 4_000_000_000 * 10**9))
    def test_round_trip(self, nanoseconds: int) -> None:
        assert engine.nanoseconds_of(timestamp(nanoseconds)) == nanoseconds

    @pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00Z", "2026-11-22", "now"])
    def test_no_time_is_an_error_of_ours(self, text: str) -> None:
        with pytest.raises(InfrastructureError, match="as a time"):
            engine.nanoseconds_of(text)


class TestOwner:
    def test_we_live(self) -> None:
        assert not ownership.is_dead(ownership.me())
        assert not ownership.is_dead(ownership.token())

    def test_the_dead_are_dead_also_when_their_number_lives_on(self) -> None:
        namespace, process, start = ownership.me().split("-")
        assert ownership.is_dead(f"{namespace}-{process}-{int(start) + 1}")
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        name = f"{namespace}-{child.pid}-{ownership._start_of(child.pid)}"
        assert not ownership.is_dead(name)
        child.communicate(b"\n")
        assert ownership.is_dead(name)

    @pytest.mark.parametrize("name", ["", "x", "1-2", "a-b-c", "None", "1-2-³", "0-1-1"])
    def test_what_cannot_be_told_is_left_alone(self, name: str) -> None:
        assert not ownership.is_dead(name) or (name == "0-1-1" and sys.platform != "linux")


class TestUsable:
    def test_no_engine(self, tmp_path: Path) -> None:
        with pytest.raises(InfrastructureError, match="start it"):
            engine.usable(f"unix://{tmp_path}/none.sock")

    def test_an_engine_elsewhere(self) -> None:
        with pytest.raises(InfrastructureError, match="unset DOCKER_HOST"):
            engine.usable("tcp://192.0.2.1:2375")

    def test_an_engine_that_does_not_answer(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(f"{tmp_path}/silent.sock")
            silent.listen()
            with pytest.raises(InfrastructureError, match="no Docker engine answers"):
                engine.usable(f"unix://{tmp_path}/silent.sock")


class TestLock:
    TARGET = wheels.Target("cpu", (3, 11), "x86_64", (2, 36))

    @pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
    def test_the_committed_lock_pins_what_is_required(self, accelerator: str) -> None:
        folder = Path(__file__).parents[2] / "docker"
        pins = {
            pin.name: pin for pin in wheels.read_lock(folder / f"{accelerator}-cp311-x86_64.lock")
        }
        for line in (folder / "requirements.in").read_text().splitlines():
            if not line.startswith("#"):
                name, version = line.split("==")
                assert pins[name].version.split("+")[0] == version

    def test_round_trip(self, tmp_path: Path) -> None:
        pins = (wheels.Pin("a-b", "1.0+cpu", "0" * 64), wheels.Pin("c", "2", "f" * 64))
        wheels.write_lock(tmp_path / "x.lock", pins, self.TARGET)
        assert wheels.read_lock(tmp_path / "x.lock") == pins

    @pytest.mark.parametrize("line", ["torch==2", "torch>=2 --hash=sha256:" + "0" * 64, "-e ."])
    def test_anything_else_is_refused_with_its_line(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "x.lock").write_text(f"# comment\n{line}\n")
        with pytest.raises(InfrastructureError, match="line 2"):
            wheels.read_lock(tmp_path / "x.lock")

    def test_a_wheel_with_another_digest_is_not_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a-1.0-py3-none-any.whl").write_bytes(b"tampered")
        (tmp_path / "x.lock").write_text(f"a==1.0 --hash=sha256:{'0' * 64}\n")
        monkeypatch.setattr(wheels, "_download", lambda *_: None)
        with pytest.raises(InfrastructureError, match=r"locked digest for a==1\.0"):
            wheels.fill(tmp_path, tmp_path / "x.lock", tmp_path / "in", self.TARGET, print)

    def test_without_a_lock_one_is_written_and_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def download(what: object, folder: Path, *_: object) -> None:
            (folder / "A_b-1.0-py3-none-any.whl").write_bytes(b"content")

        said: list[str] = []
        monkeypatch.setattr(wheels, "_download", download)
        lock = tmp_path / "x.lock"
        (found,) = wheels.fill(tmp_path / "wheels", lock, tmp_path / "in", self.TARGET, said.append)
        assert found.name == "A_b-1.0-py3-none-any.whl"
        assert [(pin.name, pin.version) for pin in wheels.read_lock(lock)] == [("a-b", "1.0")]
        assert any("on trust" in line for line in said)


class TestCopy:
    def test_a_copy_that_breaks_off_leaves_nothing(self, tmp_path: Path) -> None:
        for chunks in ([b"ab"], [b"abcd"]):
            with pytest.raises(ArtifactError, match="changed its size"):
                copy_hashed(chunks, tmp_path / "x", name="x", size_bytes=3)
        assert list(tmp_path.iterdir()) == []

    def test_it_is_read_only(self, tmp_path: Path) -> None:
        copy_hashed([b"a", b"bc"], tmp_path / "x", name="x", size_bytes=3)
        assert (tmp_path / "x").read_bytes() == b"abc"
        assert os.stat(tmp_path / "x").st_mode & 0o777 == 0o444


CORE = {"Name": "core", "Soft": 0, "Hard": 0}
FILES = {"Name": "nofile", "Soft": limits.OPEN_FILES, "Hard": limits.OPEN_FILES}
VOLUME = {"Options": limits.volume_options(LIMITS)}


class TestIsolationFacts:
    """Each property that an engine reports differently makes exactly its own fact fail."""

    def container(self) -> dict[str, Any]:
        return {
            "Image": "sha256:1",
            "Config": {"Hostname": "localhost", "User": "10001:10001", "Env": ["A=1", "BARE"]},
            "HostConfig": {
                "NetworkMode": "none",
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
            },
            "NetworkSettings": {"Networks": {"none": {}}},
            "Mounts": [
                {"Type": "bind", "Destination": "/submission", "RW": False, "Source": "/code"},
                {"Type": "volume", "Destination": "/output", "RW": True, "Source": "/var/x"},
            ],
        }

    def failing(self, container: dict[str, Any]) -> list[str]:
        return [fact.id for fact in self.facts(container) if not fact.holds]

    def facts(
        self, container: dict[str, Any], volume: dict[str, Any] | None = VOLUME
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
            ("HostConfig", "NetworkMode", "bridge", "no_network"),
            ("NetworkSettings", "Networks", {"none": {}, "bridge": {}}, "no_network"),
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
            ("", "Mounts", [], "own_mounts"),
        ],
    )
    def test_one_that_differs(self, section: str, key: str, value: object, name: str) -> None:
        container = self.container()
        (container[section] if section else container)[key] = value
        assert self.failing(container) == [name]

    def test_a_writable_or_foreign_mount(self) -> None:
        container = self.container()
        container["Mounts"][0]["RW"] = True
        assert self.failing(container) == ["own_mounts"]
        container = self.container()
        container["Mounts"].append({"Type": "volume", "Destination": "/data", "RW": True})
        assert self.failing(container) == ["own_mounts"]
