"""What only the real sandbox must do; each property is tried from the inside."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.isolation import required_of
from harness.evidence.phase import IsolationFact
from harness.sandbox.docker import base_image, engine, image, seccomp, settling
from harness.sandbox.docker.engine import Engine
from harness.sandbox.docker.kinds import recipe_of
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.protocol import ArtifactError, Mount, NeverStartedError
from tests.sandbox.conftest import (
    LIMITS,
    MIB,
    Phases,
    finished,
    leftovers,
    our_container,
    remove_all_of_ours,
)
from tests.sandbox.docker.proxy import EngineProxy

pytestmark = pytest.mark.docker

ATTACK = """
import json, os, socket

def attempt(action):
    try:
        return str(action())
    except OSError as error:
        return type(error).__name__

def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        s.connect(address)

status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines()
              if ":\\t" in line)
print(json.dumps({
    "interfaces": [name for _, name in socket.if_nameindex()],
    "internet": attempt(lambda: connect(socket.AF_INET, ("1.1.1.1", 53))),
    "ids": [os.getuid(), os.getgid(), os.getgroups()],
    "capabilities": [status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no_new_privileges": status["NoNewPrivs"],
    "seccomp": status["Seccomp"],
    "writes": {place: attempt(lambda: open(place + "/x", "w").close())
               for place in ("/", "/etc", "/opt/venv", "/submission", "/data", "/sys/kernel")},
    "scratch": attempt(lambda: open("/tmp/x", "w").close()),
    "chmod": attempt(lambda: os.chmod("/submission/main.py", 0o777)),
    "engine": os.path.exists("/var/run/docker.sock"),
    "output": os.path.exists("/output"),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()),
}))
"""


def test_from_inside_there_is_no_way_out(containers: Phases, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o777)
    data.chmod(0o777)
    facts = containers.run(ATTACK, phase="score", mounts=(Mount(data, PurePosixPath("/data")),))
    assert facts.outcome == "completed", containers.lines
    found = json.loads(containers.lines[0])
    assert found["interfaces"] == ["lo"]
    assert found["internet"] == "OSError"
    assert found["ids"] == [10001, 10001, [10001]]
    assert set(found["capabilities"]) == {"0" * 16}
    assert found["no_new_privileges"] == "1"
    assert found["seccomp"] == "2"
    assert set(found["writes"].values()) <= {"OSError", "PermissionError"}
    assert found["scratch"] == "None"
    assert found["chmod"] == "OSError"
    assert not found["engine"]
    assert not found["output"], "score has no output directory"
    assert found["processes"] == [1]


@pytest.mark.parametrize("phase", ["train", "score"])
def test_every_isolation_fact_holds(containers: Phases, phase: str) -> None:
    facts = containers.run("", phase=phase)
    assert [fact for fact in facts.isolation if not fact.holds] == []
    assert {fact.id for fact in facts.isolation} == required_of(output=phase == "train")


def test_an_engine_that_applies_something_else_is_seen(
    containers: Phases, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(containers.sandbox, DockerSandbox)
    flags = containers.sandbox._sealed_off()
    flags |= {"cap_drop": ["NET_RAW"], "security_opt": [], "read_only": False}
    monkeypatch.setattr(DockerSandbox, "_sealed_off", lambda self: flags)
    facts = containers.run("", phase="score")
    broken = [fact for fact in facts.isolation if not fact.holds]
    # Whoever has capabilities opens what its owner closed.
    (opened,) = [fact for fact in broken if fact.id == "network_counters_hidden"]
    assert re.fullmatch(r"[1-9]\d* open, \d+ closed", opened.actual)
    assert [fact for fact in broken if fact != opened] == [
        IsolationFact(id="read_only_root", expected="true", actual="false"),
        IsolationFact(
            id="no_capabilities",
            expected="dropped ALL, added none",
            actual="dropped NET_RAW, added none",
        ),
        IsolationFact(id="no_new_privileges", expected="true", actual="false"),
        IsolationFact(
            id="system_call_profile",
            expected=f"profile {seccomp.digest_of(seccomp.security_option())[:16]}",
            actual="the engine's own profile",
        ),
    ]


def test_memory_bomb_is_killed_and_recorded(containers: Phases) -> None:
    limits = LIMITS.model_copy(update={"memory_bytes": 64 * MIB})
    facts = containers.run("x = bytearray(1 << 30); x[::4096] = bytes(1 << 18)", limits=limits)
    assert (facts.outcome, facts.exit_code) == ("failed", 137)
    # The engine may lose its event of it; then the kernel's count is the witness.
    assert "for exceeding the memory limit of 67,108,864 bytes" in facts.detail


def test_a_child_that_is_killed_for_memory_is_recorded(containers: Phases) -> None:
    limits = LIMITS.model_copy(update={"memory_bytes": 64 * MIB})
    facts = containers.run(
        """
        import subprocess, sys, time
        bomb = "x = bytearray(1 << 30); x[::4096] = bytes(1 << 18)"
        print(subprocess.run([sys.executable, "-c", bomb]).returncode)
        time.sleep(3)  # the engine hears of it by an event, in no order with that of the end
        """,
        limits=limits,
    )
    assert containers.lines == ["-9"]
    assert (facts.exit_code, facts.oom_killed) == (0, True)


def test_process_bomb_meets_its_limit(containers: Phases) -> None:
    facts = containers.run("""
        import os, time
        count = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(1000)
                count += 1
        except BlockingIOError:
            print(count)
    """)
    assert facts.outcome == "completed"
    assert int(containers.lines[-1]) == LIMITS.processes - 1


def test_output_is_bounded_in_bytes_and_files(containers: Phases) -> None:
    facts = containers.run("""
        import os
        place = os.environ["OUTPUT_DIR"]
        try:
            with open(place + "/big", "wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 20))
        except OSError as error:
            print(error.strerror, os.path.getsize(place + "/big"))
        os.unlink(place + "/big")
        count = 0
        try:
            while True:
                open(f"{place}/{count}", "wb").close()
                count += 1
        except OSError as error:
            print(error.strerror, count < 20_000)
    """)
    assert facts.outcome == "completed"
    assert containers.lines == [
        f"No space left on device {LIMITS.output_bytes}",
        "No space left on device True",
    ]


def test_a_socket_on_a_read_only_mount_can_be_reached(containers: Phases) -> None:
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        os.chmod(folder, 0o755)
        listener.bind(f"{folder}/channel.sock")
        os.chmod(f"{folder}/channel.sock", 0o666)
        listener.listen()
        listener.settimeout(30)
        memory = os.memfd_create("shared")
        os.ftruncate(memory, 4096)
        with containers.start(
            """
            import mmap, os, socket
            channel = socket.socket(socket.AF_UNIX)
            channel.connect("/channel/channel.sock")
            _, (memory,), _, _ = socket.recv_fds(channel, 1, 1)
            mmap.mmap(memory, 4096)[:5] = b"hello"
            channel.sendall(b"done")
            try:
                os.unlink("/channel/channel.sock")
            except OSError as error:
                print(error.strerror)
            """,
            phase="score",
            mounts=(Mount(Path(folder), PurePosixPath("/channel"), shared=True),),
        ) as running:
            channel, _ = listener.accept()
            with channel:
                socket.send_fds(channel, [b"x"], [memory])
                assert channel.recv(4) == b"done"
            assert os.pread(memory, 5, 0) == b"hello"
            os.close(memory)
            assert finished(running).outcome == "completed"
    assert containers.lines == ["Read-only file system"]


def test_the_engine_is_lost_in_the_middle(docker_sandbox: DockerSandbox, tmp_path: Path) -> None:
    with EngineProxy(tmp_path) as proxy:
        sandbox = DockerSandbox(url=proxy.url)
        sandbox.prepare()
        phases = Phases(sandbox, tmp_path)
        begun = time.monotonic()
        with (
            pytest.raises(InfrastructureError, match="no Docker engine answers"),
            phases.start("import time; time.sleep(1000)") as running,
        ):
            threading.Timer(0.5, proxy.cut).start()
            running.wait(60)
        assert time.monotonic() - begun < 30, "cleaning up without an engine must not hang"
    assert leftovers() != [], "the proxy was not what the harness used"
    remove_all_of_ours()


def test_the_engine_is_lost_before_the_seal(docker_sandbox: DockerSandbox, tmp_path: Path) -> None:
    with EngineProxy(tmp_path) as proxy:
        sandbox = DockerSandbox(url=proxy.url)
        sandbox.prepare()
        phases = Phases(sandbox, tmp_path)
        with (
            pytest.raises(InfrastructureError, match="no Docker engine answers"),
            phases.start("") as running,
        ):
            finished(running)
            proxy.cut()
            running.seal("model.bin", tmp_path / "sealed.bin", limit_bytes=10)
    remove_all_of_ours()


@pytest.mark.parametrize("deed", ["kill", "stop", "remove"])
def test_a_container_that_others_end_is_nobodys_fault(containers: Phases, deed: str) -> None:
    source = "import signal; signal.signal(15, lambda *_: exit(0)); signal.pause()"
    with (
        pytest.raises(InfrastructureError),
        containers.start(source, phase="score") as running,
    ):
        time.sleep(0.3)
        with Engine().connection() as client:
            if deed == "remove":
                client.remove_container(our_container(), force=True)
            else:
                getattr(client, deed)(our_container())
        running.wait(30)


def test_a_dead_keeper_is_ours(containers: Phases, tmp_path: Path) -> None:
    source = "import os; open(os.environ['OUTPUT_DIR'] + '/model.bin', 'w').write('x')"
    with (
        pytest.raises(InfrastructureError, match="keeps the output directory"),
        containers.start(source) as running,
    ):
        finished(running)
        with Engine().connection() as client:
            client.kill(our_container())  # the other one has exited
        running.seal("model.bin", tmp_path / "sealed.bin", limit_bytes=10)


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'w').write('x'); os.utime(path, (0, 2**40))",
        "os.mkdir(path); os.utime(path, (0, -2**40))",
        "os.symlink('model.bin', path)",
        "os.symlink('a' * 4000, path)",
    ],
)
def test_what_the_engine_cannot_hand_over_is_theirs(
    containers: Phases, tmp_path: Path, source: str
) -> None:
    where = "import os; path = os.environ['OUTPUT_DIR'] + '/model.bin'\n"
    with containers.start(where + source) as running:
        assert finished(running).outcome == "completed", containers.lines
        with pytest.raises(
            ArtifactError, match=r"^artifact model\.bin: the engine cannot .* file$"
        ):
            running.seal("model.bin", tmp_path / "sealed.bin", limit_bytes=10)


def test_an_archive_interface_that_fails_for_everything_is_ours(
    containers: Phases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.sandbox.docker.archive._ENGINES_OWN_FILE", "/proc/self/fd/1/none")
    source = "import os; os.symlink('model.bin', os.environ['OUTPUT_DIR'] + '/model.bin')"
    with containers.start(source) as running:
        finished(running)
        with pytest.raises(InfrastructureError):
            running.seal("model.bin", tmp_path / "sealed.bin", limit_bytes=10)


def test_a_command_that_is_a_link_without_end_is_theirs(containers: Phases) -> None:
    (containers.folder / "code").mkdir()
    (containers.folder / "code" / "loop").symlink_to("loop")
    with pytest.raises(SubmissionError, match="too many levels"):
        containers.start("", command=("./loop",))


def test_orphans_of_a_killed_harness_are_reaped(
    docker_sandbox: DockerSandbox, tmp_path: Path
) -> None:
    script = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from harness.safeio import ownership
from harness.sandbox.docker.kinds import recipe_of
from harness.sandbox.docker.sandbox import DockerSandbox
from tests.sandbox.conftest import Phases
sandbox = DockerSandbox()
sandbox.prepare()
running = Phases(sandbox, Path({str(tmp_path)!r})).start("import time; time.sleep(1000)")
print(ownership.me(), flush=True)
time.sleep(1000)
"""
    harness = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert harness.stdout is not None
    name = harness.stdout.readline().strip()
    assert name
    mine = lambda found: found.startswith(name)  # noqa: E731
    assert len(leftovers(of=mine)) == 5  # process, container, keeper, volumes of output and code
    docker_sandbox.prepare()
    assert len(leftovers(of=mine)) == 5, "a living harness keeps what is its own"
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    harness.stdout.close()
    docker_sandbox.prepare()
    assert leftovers(of=mine) == []


def test_the_image_is_found_again(docker_sandbox: DockerSandbox, tmp_path: Path) -> None:
    said: list[str] = []
    first = image.ensure(said.append)
    assert said == []
    worker = tmp_path / "worker.py"
    worker.write_text("print('another worker')\n")
    second = image.ensure(said.append, worker=worker)
    try:
        assert second[0] != first[0]
        assert second[1] != first[1]
        assert any("worker.py" in line for line in said)
    finally:
        with Engine().connection() as client:
            client.remove_image(second[0])


def test_the_engine_can_be_used() -> None:
    assert engine.usable().startswith("engine ")


def test_a_container_that_the_engine_refuses_to_start_has_run_nothing(
    containers: Phases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its start was written down before, and the engine knows that there was none."""
    called: list[str] = []
    job = replace(
        containers.job("raise SystemExit(1)"),
        accelerators=("GPU-of-another-machine",),
        starting=lambda: called.append("starting"),
    )
    with pytest.raises(InfrastructureError):
        containers.sandbox.start(job)
    assert called == [], "what sets a phase up needs the accelerators first"
    monkeypatch.setattr(settling, "accelerators_of", lambda job: None)
    with pytest.raises(NeverStartedError, match="cannot start the train phase"):
        containers.sandbox.start(job)
    assert called == ["starting"]
    assert leftovers() == []


def test_a_base_without_a_compiler_is_refused_for_cuda_alone(docker_sandbox: DockerSandbox) -> None:
    """Without one no kernel could be compiled, and submissions would be charged for it."""
    with Engine().connection() as client:
        assert base_image.detect(client, docker_sandbox.image_id, recipe_of("cpu")).kind == "cpu"
        with pytest.raises(InfrastructureError, match=r"has no C compiler and no Python's headers"):
            base_image.detect(client, docker_sandbox.image_id, recipe_of("cuda"))
