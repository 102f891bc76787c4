"""Proof that the sandbox is what it is said to be: the same probes in it and in a default one.

A trusted script runs as the only code of a train phase and tells what it can do; meanwhile the
container is looked at from outside. Then the same script runs in a container that the engine
starts with its defaults, where every property that one of our flags is answerable for must be
missing: a probe that passes there too proves nothing, unless there is a reason that is told.
"""

import json
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from harness import PACKAGE
from harness.contest.track import Limits
from harness.errors import InfrastructureError
from harness.evidence.phase import IsolationFact, PhaseFacts
from harness.models import Fact
from harness.safeio import ownership
from harness.safeio.files import disk_errors
from harness.safeio.text import plain, plain_line
from harness.sandbox import limits
from harness.sandbox.docker import counters
from harness.sandbox.docker.container import ContainerPhase
from harness.sandbox.docker.engine import OWNER_LABEL
from harness.sandbox.docker.readback import Started, compared, isolation_facts
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.limits import MARKER, OPEN_FILES, OUTPUT_FILES
from harness.sandbox.protocol import Job, Mount
from harness.sandbox.selfcheck.host import NAMESPACES, collect
from harness.sandbox.selfcheck.properties import Expected, properties, without_marker
from harness.sandbox.separation import copies_for

if TYPE_CHECKING:
    from docker.api.client import APIClient

_INSIDE = PACKAGE / "inside" / "selfcheck"
_CODE = PurePosixPath("/submission")
_MIB = 1 << 20
_SECONDS = 120.0
_BEAT_SECONDS = 0.05
_LOG_SECONDS = 20.0
_UNSEEN = ""
_WITHOUT_CACHES = shutil.ignore_patterns("__pycache__")
_STAMP = len("    0.000 ")

LIMITS = Limits(
    memory_bytes=192 * _MIB,
    shm_bytes=24 * _MIB,
    scratch_bytes=20 * _MIB,
    output_bytes=12 * _MIB,
    log_bytes=64 << 10,
    processes=96,
)
"""Small, and unlike what engines give by themselves."""


class Proof(Fact):
    """One property: what was expected, what was found, and what a default container gives.

    ``id`` is one of :mod:`harness.evidence.isolation`. ``inside`` or ``outside`` is empty where the
    property cannot be seen from there. ``default_too`` says why a default container may have the
    property as well; empty when it must not.
    """

    id: str
    flag: str
    expected: str
    inside: str
    outside: str
    by_default: str
    default_too: str

    @property
    def holds(self) -> bool:
        """Whether it was seen, and is as expected from wherever it was seen."""
        seen = [text for text in (self.inside, self.outside) if text != _UNSEEN]
        return bool(seen) and set(seen) == {self.expected}

    @property
    def matters(self) -> bool:
        """Whether a default container lacks the property."""
        return self.by_default != self.expected

    @property
    def stands(self) -> bool:
        """Whether it holds, and holds because of us or for a reason that is told."""
        return self.holds and (self.matters or bool(self.default_too))


@dataclass(frozen=True)
class _Seen:
    """What was told and seen of one container; ``reported`` counts the engine's answers."""

    told: dict[str, Any]
    outside: dict[str, str]
    reported: int


def prove(sandbox: DockerSandbox) -> tuple[Proof, ...]:
    """Run the probes; takes some seconds.

    Args:
        sandbox: prepared.

    Raises:
        InfrastructureError: a probe container could not be run to its end.
    """
    with _probe_directory() as folder, _abstract_socket() as name:
        brief, job = _job(folder, name, briefly=True), _job(folder, name, briefly=False)
        left = _left_in_sandbox(sandbox, brief)
        seen = _in_sandbox(sandbox, job)
        seen.told["left before"] = left
        with _default_container(sandbox, brief) as (client, container):
            left = _told_by_default(client, container)["left"]
        default = _by_default(sandbox, job)
        default.told["left before"] = left
        wanted = properties(
            job,
            environment=_environment(job),
            info=sandbox.engine_info,
            runtime=sandbox.runtime,
            reported=seen.reported,
        )
        return tuple(_proof(item, seen, default) for item in wanted)


def _proof(item: Expected, seen: _Seen, default: _Seen) -> Proof:
    inside = _words(item, seen.told)
    by_default = _words(item, default.told) or default.outside.get(item.id, _UNSEEN)
    return Proof(
        id=item.id,
        flag=item.flag,
        expected=item.expected,
        inside=inside,
        outside=seen.outside.get(item.id, _UNSEEN),
        by_default=by_default or "not to be seen",
        default_too=item.default_too,
    )


def _words(item: Expected, told: Mapping[str, Any]) -> str:
    if item.inside is None:
        return _UNSEEN
    try:
        return plain_line(item.inside(told), 300)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return "the probe could not tell"


def _left_in_sandbox(sandbox: DockerSandbox, brief: Job) -> list[str]:
    """What a phase that is over now has left, while it ran."""
    with sandbox.start(brief) as phase:
        told = _told_by(phase)
        phase.stop()
    return list(told["left"])


def _in_sandbox(sandbox: DockerSandbox, job: Job) -> _Seen:
    """The probes as a train phase, and what is seen of it while it runs and after its end."""
    with sandbox.start(job) as phase:
        told = _told_by(phase)
        with sandbox.engine.connection() as client:
            container = client.inspect_container(phase.container_id)
            volume = client.inspect_volume(phase.volume_name)
        outside = collect(container, volume)
        deadline = time.monotonic() + _LOG_SECONDS
        while not phase.log.truncated and time.monotonic() < deadline:
            time.sleep(_BEAT_SECONDS)
        facts = phase.stop()
    outside["log_limit"] = _log(facts, job)
    outside["system_call_profile"] = _reported(facts.isolation, "system_call_profile")
    entries = [entry for entry in without_marker(container["Config"]["Env"]) if "=" in entry]
    outside["own_environment"] = compared(_environment(job), entries)[1]
    outside["read_back_whole"] = _held(facts.isolation)
    with sandbox.engine.connection() as client:
        outside["no_traces"] = _traces(client, container)
    return _Seen(told, outside, len(facts.isolation))


def _by_default(sandbox: DockerSandbox, job: Job) -> _Seen:
    """The same probes in a container with the engine's defaults."""
    with _default_container(sandbox, job) as (client, identity):
        told = _told_by_default(client, identity)
        container = client.inspect_container(identity)
        outside = collect(container, None)
        client.kill(identity)
        client.wait(identity, timeout=_SECONDS)
        outside["no_traces"] = _traces(client, container)
    reported = isolation_facts(
        Started(
            job=job,
            image_digest=sandbox.image_id,
            environment=tuple(_environment(job)),
            runtime=sandbox.runtime,
            container=container,
            volume=None,
            copies=copies_for(job),
        )
    )
    outside["system_call_profile"] = _reported(reported, "system_call_profile")
    outside["read_back_whole"] = _held(reported)
    return _Seen(told, outside, len(reported))


@contextmanager
def _default_container(sandbox: DockerSandbox, job: Job) -> Iterator[tuple["APIClient", str]]:
    """A container as the engine makes it by itself, run as root like most images."""
    token = ownership.token()
    with sandbox.engine.connection() as client:
        created = client.create_container(
            sandbox.image_id,
            list(job.command),
            name=f"parameter-golf-{token}-default",
            labels={OWNER_LABEL: token},
            user="0:0",
            working_dir=str(job.code.target),
            host_config=client.create_host_config(
                binds=[f"{job.code.source}:{job.code.target}:ro"]
            ),
        )
        try:
            client.start(created["Id"])
            yield client, str(created["Id"])
        finally:
            client.remove_container(created["Id"], force=True, v=True)


def _told_by(phase: ContainerPhase) -> dict[str, Any]:
    return _told(
        lambda: [line[_STAMP:] for line in phase.job.log.read_text().splitlines()],
        ended=lambda: phase.has_ended,
    )


def _told_by_default(client: "APIClient", identity: str) -> dict[str, Any]:
    return _told(
        lambda: client.logs(identity).decode("utf-8", "replace").splitlines(),
        ended=lambda: not client.inspect_container(identity)["State"]["Running"],
    )


def _told(read: Callable[[], list[str]], *, ended: Callable[[], bool]) -> dict[str, Any]:
    """What the probes have told when they are done.

    Raises:
        InfrastructureError: they ended early, or not in time.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        over = ended()
        lines = read()
        if "done" in lines:
            told = lines[: lines.index("done")]
            return dict(json.loads(line) for line in told if line.startswith("["))
        if over:
            said = plain(" ".join(lines[-3:]), 300) or "nothing"
            raise InfrastructureError(
                f"the probe container ended before it was done; it said: {said}",
                remedy="run it again; if it stays, build the image anew with harness image --force",
            )
        time.sleep(_BEAT_SECONDS)
    raise InfrastructureError(
        f"the probe container was not done after {_SECONDS:.0f} s",
        remedy="see whether the machine is overloaded, then run it again",
    )


def _log(facts: PhaseFacts, job: Job) -> str:
    limit = job.limits.log_bytes
    held = facts.log_truncated and facts.log_bytes <= limit
    return f"cut at {limit:,}" if held else f"{facts.log_bytes:,} bytes were kept"


def _reported(facts: Iterable[IsolationFact], id: str) -> str:
    return next((fact.actual for fact in facts if fact.id == id), "not read back")


def _held(facts: Sequence[IsolationFact]) -> str:
    return f"{sum(fact.holds for fact in facts)} properties of {len(facts)}"


def _traces(client: "APIClient", container: Mapping[str, Any]) -> str:
    """What the engine still holds under the container's label."""
    filters = {"label": f"{OWNER_LABEL}={container['Config']['Labels'][OWNER_LABEL]}"}
    containers = len(client.containers(all=True, filters=filters))
    volumes = len(client.volumes(filters=filters)["Volumes"] or [])
    return f"containers: {containers}, volumes: {volumes}" if containers or volumes else "none"


def _job(folder: Path, abstract: str, *, briefly: bool) -> Job:
    told = {
        "briefly": briefly,
        "abstract": abstract,
        "namespaces": {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in NAMESPACES},
        "open_files": OPEN_FILES,
        "output_files": OUTPUT_FILES,
        "hidden": counters.masked_paths(accelerators=False),
        **LIMITS.model_dump(),
    }
    code = folder / "code"
    return Job(
        label="selfcheck",
        output=True,
        command=(f"{limits.VENV}/bin/python", "-m", f"{_INSIDE.name}.tell", json.dumps(told)),
        environment={"OUTPUT_DIR": str(limits.OUTPUT)},
        code=Mount(code, _CODE),
        mounts=(),
        limits=LIMITS,
        wallclock_seconds=_SECONDS,
        log=folder / "log",
    )


def _environment(job: Job) -> list[str]:
    """The environment that the phase should have, but for the name of its run."""
    whole = limits.environment(
        job, path=limits.CONTAINER_PATH, scratch=str(limits.SCRATCH), token=""
    )
    return limits.as_entries({name: text for name, text in whole.items() if name != MARKER})


@contextmanager
def _probe_directory() -> Iterator[Path]:
    """A directory that holds the probes as the submission's code, readable for its user."""
    folder = ownership.make_directory(Path(tempfile.gettempdir()))
    try:
        with disk_errors(folder):
            code = folder / "code"
            shutil.copytree(_INSIDE, code / _INSIDE.name, ignore=_WITHOUT_CACHES)
            folder.chmod(0o711)
            for place, _, names in os.walk(code):
                Path(place).chmod(0o755)
                for name in names:
                    (Path(place) / name).chmod(0o644)
        yield folder
    finally:
        ownership.remove_tree(folder)


@contextmanager
def _abstract_socket() -> Iterator[str]:
    """A Unix socket of ours without a file, by its name."""
    name = f"parameter-golf-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        yield name
