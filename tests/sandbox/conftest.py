"""Small phases for both sandboxes, and what a test may find left of them afterwards."""

import contextlib
import os
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import psutil
import pytest

from harness.contest.track import Limits
from harness.evidence.phase import PhaseFacts
from harness.safeio import ownership
from harness.sandbox.docker.engine import OWNER_LABEL, Engine
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.limits import MARKER
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.protocol import EarlySeal, Job, Mount, Running, Sandbox

MIB = 1 << 20
LIMITS = Limits(
    memory_bytes=512 * MIB,
    shm_bytes=64 * MIB,
    scratch_bytes=64 * MIB,
    output_bytes=8 * MIB,
    log_bytes=1 * MIB,
    processes=128,
)
BOTH = ["process", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(scope="session")
def docker_sandbox() -> DockerSandbox:
    sandbox = DockerSandbox(note=print)
    sandbox.prepare()
    return sandbox


@pytest.fixture(params=BOTH)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    if request.param == "docker":
        docker: DockerSandbox = request.getfixturevalue("docker_sandbox")
        return docker
    sandbox = ProcessSandbox()
    sandbox.prepare()
    return sandbox


class Phases:
    """Starts phases of Python source in one sandbox."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.log = folder / "phase.log"

    def job(
        self,
        source: str,
        *,
        phase: str = "train",
        seconds: float = 60.0,
        command: tuple[str, ...] = ("python", "main.py"),
        environment: dict[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
        limits: Limits = LIMITS,
        log: Path | None = None,
        early: EarlySeal | None = None,
    ) -> Job:
        code = self.folder / "code"
        code.mkdir(exist_ok=True)
        code.chmod(0o755)
        (code / "main.py").write_text(textwrap.dedent(source))
        output = {"OUTPUT_DIR": self.sandbox.output} if phase == "train" else {}
        return Job(
            label=phase,
            output=phase == "train",
            command=command,
            environment=output | (environment or {}),
            code=Mount(code, PurePosixPath("/submission")),
            mounts=mounts,
            limits=limits,
            wallclock_seconds=seconds,
            log=log or self.log,
            early=early,
        )

    def start(self, source: str, **options: object) -> Running:
        return self.sandbox.start(self.job(source, **options))  # type: ignore[arg-type]

    def run(self, source: str, **options: object) -> PhaseFacts:
        with self.start(source, **options) as running:
            return finished(running)

    @property
    def lines(self) -> list[str]:
        """The log without its stamps."""
        return [line[10:] for line in self.log.read_text().splitlines()]


def finished(running: Running, timeout_seconds: float = 120.0) -> PhaseFacts:
    facts = running.wait(timeout_seconds)
    assert facts is not None, "the phase did not end"
    return facts


@pytest.fixture
def phases(sandbox: Sandbox, tmp_path: Path) -> Phases:
    return Phases(sandbox, tmp_path)


@pytest.fixture
def containers(docker_sandbox: DockerSandbox, tmp_path: Path) -> Phases:
    return Phases(docker_sandbox, tmp_path)


def leftovers(*, of: Callable[[str], bool] | None = None) -> list[str]:
    """Processes, directories, containers and volumes of this harness (or of those ``of``)."""
    mine = of or (lambda name: name.startswith(ownership.me()))
    found = []
    for process in psutil.process_iter():
        try:
            if mine(process.environ().get(MARKER, "")):
                found.append(f"process {process.pid} {process.name()}")
        except psutil.Error:
            continue
    for mark in Path(tempfile.gettempdir()).glob("pgolf-*/owner"):
        with contextlib.suppress(OSError):  # another test's, removed at this moment
            if mine(mark.read_text()):
                found.append(f"directory {mark.parent}")
    if os.environ.get("HARNESS_DOCKER_TESTS") == "1":
        found += _at_the_engine(mine)
    return found


def our_container() -> str:
    """The id of the one running container of this harness; others may run beside it."""
    with Engine().connection() as client:
        (found,) = (
            container["Id"]
            for container in client.containers(filters={"label": OWNER_LABEL})
            if container["Labels"][OWNER_LABEL].startswith(ownership.me())
        )
        return str(found)


def _at_the_engine(mine: Callable[[str], bool]) -> list[str]:
    with Engine().connection() as client:
        filters = {"label": OWNER_LABEL}
        things = [(c["Id"], c["Labels"]) for c in client.containers(all=True, filters=filters)]
        volumes = client.volumes(filters=filters)["Volumes"] or []
        things += [(volume["Name"], volume["Labels"]) for volume in volumes]
        return [f"at the engine: {name}" for name, labels in things if mine(labels[OWNER_LABEL])]


def remove_all_of_ours() -> None:
    """What the engine holds of this harness, when the engine was out of its reach."""
    with Engine().connection() as client:
        for container in client.containers(all=True, filters={"label": OWNER_LABEL}):
            if container["Labels"][OWNER_LABEL].startswith(ownership.me()):
                client.remove_container(container["Id"], force=True)
        for volume in client.volumes(filters={"label": OWNER_LABEL})["Volumes"] or []:
            if volume["Labels"][OWNER_LABEL].startswith(ownership.me()):
                client.remove_volume(volume["Name"])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Every test here must clean up after itself, however it ended."""
    yield
    assert leftovers() == []
