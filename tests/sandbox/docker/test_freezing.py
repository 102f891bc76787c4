"""A frozen container: what happens to it, or to the engine, while its artifact is taken."""

import queue
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import docker.errors
import pytest
import requests.exceptions
from docker.api.client import APIClient

from harness.errors import InfrastructureError
from harness.evidence.isolation import required_of
from harness.evidence.results import ArtifactFacts
from harness.sandbox import taking
from harness.sandbox.docker import freezing, seccomp
from harness.sandbox.docker.container import ContainerPhase
from harness.sandbox.docker.engine import Engine
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.protocol import ArtifactError, EarlySeal, Running
from harness.sandbox.sealing import copy_hashed
from tests.sandbox.conftest import LIMITS, MIB, Phases, finished, leftovers, remove_all_of_ours
from tests.sandbox.docker.proxy import EngineProxy

pytestmark = pytest.mark.docker

WRITE_AND_READ = """
import os, time
path = os.environ["OUTPUT_DIR"] + "/model.bin"
with open(path, "wb") as file:
    file.write(b"x" * 1000)
with open(path, "rb") as file:
    file.read()
"""
While = Callable[[Callable[[], object]], None]


def seal(folder: Path, *, seconds: float = 50.0) -> EarlySeal:
    return EarlySeal("model.bin", folder / "sealed.bin", seconds, MIB)


@pytest.fixture
def while_frozen(monkeypatch: pytest.MonkeyPatch) -> While:
    """Has something happen while the artifact is being copied."""

    def happens(deed: Callable[[], object]) -> None:
        def copying(*arguments: object, **options: object) -> ArtifactFacts:
            deed()
            return copy_hashed(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(taking, "copy_hashed", copying)

    return happens


def container_of(running: Running) -> str:
    assert isinstance(running, ContainerPhase)
    return running.container_id


def state_of(container: str) -> str:
    with Engine().connection() as client:
        return str(client.inspect_container(container)["State"]["Status"])


def test_it_is_frozen_while_it_is_copied_and_runs_again(
    containers: Phases, tmp_path: Path, while_frozen: While
) -> None:
    seen: list[str] = []
    phases: queue.SimpleQueue[str] = queue.SimpleQueue()
    while_frozen(lambda: seen.append(state_of(phases.get(timeout=60))))
    source = f"{WRITE_AND_READ}\ntime.sleep(4)"
    with containers.start(source, early=seal(tmp_path)) as running:
        phases.put(container_of(running))
        facts = finished(running)
    assert facts.outcome == "completed"
    assert seen == ["paused"]


@pytest.mark.parametrize("deed", ["unpause", "kill", "remove_container"])
def test_what_others_do_to_it_meanwhile_is_nobodys_fault(
    containers: Phases, tmp_path: Path, while_frozen: While, deed: str
) -> None:
    phases: queue.SimpleQueue[str] = queue.SimpleQueue()

    def interferes() -> None:
        with Engine().connection() as client:
            options = {"force": True} if deed == "remove_container" else {}
            getattr(client, deed)(phases.get(timeout=60), **options)

    while_frozen(interferes)
    source = f"{WRITE_AND_READ}\ntime.sleep(1000)"
    with (
        pytest.raises(InfrastructureError),
        containers.start(source, early=seal(tmp_path)) as running,
    ):
        phases.put(container_of(running))
        running.wait(60)
    assert leftovers() == []


def test_an_engine_that_is_lost_while_it_is_frozen_is_ours(
    docker_sandbox: DockerSandbox, tmp_path: Path, while_frozen: While
) -> None:
    """And the container that it leaves frozen is removed as any other."""
    with EngineProxy(tmp_path) as proxy:
        sandbox = DockerSandbox(url=proxy.url)
        sandbox.prepare()
        phases: queue.SimpleQueue[str] = queue.SimpleQueue()
        frozen: list[str] = []

        def cuts() -> None:
            frozen.append(phases.get(timeout=60))
            proxy.cut()

        while_frozen(cuts)
        source = f"{WRITE_AND_READ}\ntime.sleep(1000)"
        begun = time.monotonic()
        with (
            pytest.raises(InfrastructureError, match="no Docker engine answers"),
            Phases(sandbox, tmp_path).start(source, early=seal(tmp_path)) as running,
        ):
            phases.put(container_of(running))
            running.wait(60)
        assert time.monotonic() - begun < 120
    assert state_of(frozen[0]) == "paused"
    remove_all_of_ours()
    assert leftovers() == []


def test_a_frozen_container_of_a_dead_harness_is_reaped(
    docker_sandbox: DockerSandbox, tmp_path: Path
) -> None:
    script = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from harness.safeio import ownership
from harness.sandbox.docker.sandbox import DockerSandbox
from tests.sandbox.conftest import Phases
sandbox = DockerSandbox()
sandbox.prepare()
running = Phases(sandbox, Path({str(tmp_path)!r})).start("import time; time.sleep(1000)")
with sandbox.engine.connection() as client:
    client.pause(running.container_id)
print(ownership.me(), running.container_id, flush=True)
time.sleep(1000)
"""
    harness = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert harness.stdout is not None
    name, container = harness.stdout.readline().split()
    assert state_of(container) == "paused"
    harness.kill()
    harness.wait()
    harness.stdout.close()
    docker_sandbox.prepare()
    assert leftovers(of=lambda found: found.startswith(name)) == []


def test_who_grows_over_the_memory_limit_meanwhile_is_killed_for_it(
    containers: Phases, tmp_path: Path
) -> None:
    """Whether that happens before, while or after it is frozen, it is the phase's own end."""
    source = f"{WRITE_AND_READ}\nx = bytearray(1 << 30); x[::4096] = bytes(1 << 18)"
    limits = LIMITS.model_copy(update={"memory_bytes": 64 * MIB})
    with containers.start(source, limits=limits, early=seal(tmp_path)) as running:
        facts = finished(running)
    assert (facts.outcome, facts.exit_code) == ("failed", 137)
    # The engine may lose its event of it; then the kernel's count is the witness.
    assert "for exceeding the memory limit of 67,108,864 bytes" in facts.detail
    assert facts.early is not None
    assert facts.early.artifact is not None
    assert facts.early.at_end == "same"


def test_a_phase_that_ends_at_its_moment_is_sealed_once(containers: Phases, tmp_path: Path) -> None:
    """Freezing and ending race; either is fine, and nothing is lost."""
    with containers.start(WRITE_AND_READ, early=seal(tmp_path)) as running:
        facts = finished(running)
    assert facts.outcome == "completed"
    assert facts.early is not None
    assert facts.early.artifact is not None
    assert facts.early.artifact.bytes == 1000


class Refusing:
    """An engine that freezes only ``willing``, as far as it is asked here."""

    def __init__(self, *willing: str) -> None:
        self._willing = willing
        self.unpaused: list[str] = []

    def pause(self, container: str) -> None:
        if container not in self._willing:
            raise docker.errors.APIError("unable to freeze")

    def unpause(self, container: str) -> None:
        self.unpaused.append(container)

    def inspect_container(self, container: str) -> dict[str, dict[str, bool]]:
        return {"State": {"Running": True, "Paused": False}}


def test_who_cannot_be_frozen_where_others_can_is_at_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(freezing, "_PAUSE_SECONDS", 0)
    engine = Refusing("keeper")
    with pytest.raises(ArtifactError, match="could not be held still"):
        freezing.freeze(engine, "phase", control="keeper")
    assert engine.unpaused == ["keeper"]
    with pytest.raises(docker.errors.APIError):
        freezing.freeze(Refusing(), "phase", control="keeper")
    assert freezing.freeze(Refusing("phase"), "phase", control="keeper")


class Late(Refusing):
    """An engine whose answers about ``phase`` are late: it freezes it with the last of some calls.

    Args:
        calls: how many until then.
    """

    def __init__(self, calls: int) -> None:
        super().__init__("keeper")
        self.calls = calls

    def _late(self) -> None:
        self.calls -= 1
        if self.calls >= 0:
            raise requests.exceptions.ReadTimeout("read timed out")

    def pause(self, container: str) -> None:
        if container == "phase":
            self._late()
        super().pause(container)

    def unpause(self, container: str) -> None:
        if container == "phase":
            self._late()
        super().unpause(container)

    def inspect_container(self, container: str) -> dict[str, dict[str, bool]]:
        self._late()
        return {"State": {"Running": True, "Paused": self.calls < 0}}


def test_an_answer_that_is_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was about may have been done; who is not frozen in all the time is at fault."""
    assert freezing.freeze(Late(1), "phase", control="keeper")
    assert freezing.freeze(Late(4), "phase", control="keeper")
    thawed = Late(0)
    freezing.thaw(thawed, "phase")
    assert thawed.unpaused == ["phase"]
    monkeypatch.setattr(freezing, "PATIENCE_SECONDS", 0)
    with pytest.raises(requests.exceptions.ReadTimeout):
        freezing.freeze(Late(9), "phase", control="keeper")
    with pytest.raises(requests.exceptions.ReadTimeout):  # it is frozen still
        freezing.thaw(Late(1), "phase")


class Endless(Refusing):
    """An engine that is never done with freezing ``phase``, and says that it runs."""

    def pause(self, container: str) -> None:
        if container == "phase":
            raise requests.exceptions.ReadTimeout("read timed out")
        super().pause(container)


def test_who_cannot_be_frozen_in_time_where_others_can_is_at_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(freezing, "PATIENCE_SECONDS", 0)
    engine = Endless("keeper")
    with pytest.raises(ArtifactError, match="the engine did not finish it in time"):
        freezing.freeze(engine, "phase", control="keeper")
    assert engine.unpaused == ["keeper"]


def name_of(part: str, running: Running, client: APIClient) -> str:
    """The name of a container of this phase; other tests have some at the same time."""
    assert isinstance(running, ContainerPhase)
    name = str(client.inspect_container(running.container_id)["Name"]).strip("/")
    return f"{name.rpartition('-')[0]}-{part}"


def test_its_keeper_may_watch_files_and_has_no_other_right(
    containers: Phases, tmp_path: Path
) -> None:
    """And the phase beside it has not even that."""
    found: dict[str, dict[str, object]] = {}
    source = """
        import ctypes, time
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.inotify_init1(0), flush=True)
        time.sleep(3)
    """
    with containers.start(source, early=seal(tmp_path)) as running:
        with Engine().connection() as client:
            for part in ("keeper", "train"):
                found[part] = client.inspect_container(name_of(part, running, client))
        facts = finished(running)
    assert containers.lines == ["-1"]
    assert [fact for fact in facts.isolation if not fact.holds] == []
    assert {fact.id for fact in facts.isolation} == required_of(output=True)
    keeper, phase = (dict(found[name]["HostConfig"]) for name in ("keeper", "train"))  # type: ignore[call-overload]
    for flag in ("ReadonlyRootfs", "CapDrop", "CapAdd", "Privileged", "IpcMode", "CgroupnsMode"):
        assert keeper[flag] == phase[flag], flag
    assert keeper["NetworkMode"] == "none"
    assert keeper["PidMode"] == ""
    assert keeper["SecurityOpt"] == ["no-new-privileges", seccomp.watching_option()]
    assert phase["SecurityOpt"] == ["no-new-privileges", seccomp.security_option()]
    mounts = found["keeper"]["Mounts"]
    assert isinstance(mounts, list)
    assert [(mount["Destination"], mount["RW"]) for mount in mounts] == [("/output", False)]


def test_a_watcher_that_dies_costs_the_earlier_moment_alone(
    containers: Phases, tmp_path: Path
) -> None:
    source = f"time = __import__('time'); time.sleep(4)\n{WRITE_AND_READ}\ntime.sleep(8)"
    with containers.start(source, early=seal(tmp_path, seconds=8.0)) as running:
        with Engine().connection() as client:
            (watching,) = [
                process
                for process in client.top(name_of("keeper", running, client))["Processes"]
                if any("-I" in word for word in process)
            ]
            subprocess.run(["kill", "-KILL", watching[1]], check=True)
        facts = finished(running)
    assert facts.outcome == "completed", containers.lines
    assert facts.early is not None
    assert (facts.early.by, facts.early.at_end) == ("budget", "same")
