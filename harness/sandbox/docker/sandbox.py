"""The real sandbox: each phase in a fresh container without network, rights or writable disk.

Train writes to a tmpfs of bounded size. It is kept alive by a second, trusted container, so
that the artifact is taken when no process of the submission exists any more. Before a phase starts,
another trusted container makes the copies that it gets, and brings what it shares into one state.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.host import Packages, SandboxFacts
from harness.evidence.phase import IsolationFact
from harness.safeio import ownership
from harness.safeio.interrupts import held_back
from harness.safeio.text import plain
from harness.sandbox import limits
from harness.sandbox.docker import creation, image, memory, seccomp
from harness.sandbox.docker.container import ContainerPhase, remove_all
from harness.sandbox.docker.cves import components, known_in
from harness.sandbox.docker.engine import (
    OWNER_LABEL,
    Engine,
    nanoseconds_of,
    require_runtime,
    require_usable,
)
from harness.sandbox.docker.kinds import ImageKind
from harness.sandbox.docker.readback import READERS, Started, isolation_facts
from harness.sandbox.docker.reaping import reap
from harness.sandbox.docker.settling import Settler, maps_users
from harness.sandbox.docker.watching import Watcher
from harness.sandbox.logs import LogCapture
from harness.sandbox.protocol import Job, Mount, NeverStartedError
from harness.sandbox.separation import Settled, copies_for

if TYPE_CHECKING:
    from docker.api.client import APIClient

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the channel lies


class DockerSandbox:
    """Runs phases in containers.

    Args:
        kind: which image is used.
        note: gets a line of text for each step of :meth:`prepare`.
        url: of the engine; DOCKER_HOST or the usual socket when not given.
        worker: our scoring worker, which the image holds.
        runtime: the engine's runtime for every phase, such as ``runsc``; its default when empty.

    After :meth:`prepare`, ``runtime``, ``image_id`` and ``engine_info`` say what is used, and the
    engine's description of itself.
    """

    def __init__(
        self,
        *,
        kind: ImageKind = "cpu",
        note: Callable[[str], None] = lambda line: None,
        url: str | None = None,
        worker: Path = image.WORKER_SOURCE,
        runtime: str = "",
    ) -> None:
        self.engine = Engine(url)
        self.runtime = runtime
        self.kind = kind
        self._note = note
        self._worker = worker
        self.engine_info: dict[str, Any] = {}
        self.image_id = ""
        self._image_names: tuple[str, ...] = ()
        self._settler = Settler(self.engine, {})

    def prepare(self) -> SandboxFacts:
        """See :class:`harness.sandbox.protocol.Sandbox`."""
        with self.engine.connection() as client:
            self.engine_info = require_usable(client)
            self._settler = Settler(self.engine, self.engine_info)
            self.runtime = require_runtime(self.engine_info, self.runtime)
            versions = components(client.version())
            reap(client)
        tag, self.image_id = image.ensure(
            self._note,
            kind=self.kind,
            worker=self._worker,
            engine=self.engine,
        )
        with self.engine.connection() as client:
            config = client.inspect_image(self.image_id)["Config"]
            self._image_names = tuple(entry.partition("=")[0] for entry in config.get("Env") or [])
            packages = self._examine(client)
        return SandboxFacts(
            kind="docker",
            proves=tuple(sorted(READERS)),
            engine=str(self.engine_info["ServerVersion"]),
            image=tag,
            image_digest=self.image_id,
            runtime=self.runtime,
            seccomp_digest=seccomp.digest_of(seccomp.security_option()),
            versions=versions,
            packages=packages,
            known_escapes=known_in(versions),
        )

    def inside(self, mount: Mount) -> str:
        """The mount's target."""
        return str(mount.target)

    @property
    def output(self) -> str:
        """The output directory of train."""
        return str(limits.OUTPUT)

    @property
    def worker_command(self) -> tuple[str, ...]:
        """Our scoring worker, as the image holds it."""
        return (f"{limits.VENV}/bin/python", str(limits.WORKER))

    def start(self, job: Job) -> ContainerPhase:
        """See :class:`harness.sandbox.protocol.Sandbox`; call :meth:`prepare` before."""
        if not self.image_id:
            raise RuntimeError("prepare() must come before start()")
        begun = time.monotonic()
        token = ownership.token()
        copies = copies_for(job)
        asked = creation.Asked(
            job=job,
            copies=copies,
            names=creation.names_for(job, copies, token),
            token=token,
            image_id=self.image_id,
            image_names=self._image_names,
            sealed_off=self._sealed_off(),
            joins_helper=not maps_users(self.engine_info),
        )
        log = LogCapture(job.log, limit_bytes=job.limits.log_bytes)
        watcher: Watcher | None = None
        try:
            with self.engine.connection() as client:
                creation.create_volumes(client, asked)
                creation.keep_output(client, asked)
                if job.early is not None and asked.names.keeper is not None:
                    watcher = Watcher(self.engine, asked.names.keeper, job.early)
                settled = self._settler.settle(client, asked)
                # Not before: it says when the budget began, and settling is charged to nobody.
                environment = limits.as_entries(
                    limits.environment(
                        job, path=limits.CONTAINER_PATH, scratch=str(limits.SCRATCH), token=token
                    )
                )
                identity = creation.create_phase(client, asked, environment)
                log.drain(creation.attach(self.engine, identity))
                job.starting()
                log.starts_now()
                memory_kills_before = memory.kills_on_this_machine()
                called_at = time.monotonic()
                self._start(client, identity, job)
                returned_at = time.monotonic()
                phase = ContainerPhase(
                    job,
                    log,
                    engine=self.engine,
                    container_id=identity,
                    names=asked.names,
                    called_at=called_at,
                    returned_at=returned_at,
                    overhead_seconds=called_at - begun,
                    memory_kills_before=memory_kills_before,
                    reads=watcher.reads() if watcher is not None else (),
                )
                phase.watch()
                inspected = client.inspect_container(identity)
                with contextlib.suppress(InfrastructureError):  # not stamped yet
                    phase.starts_at(nanoseconds_of(inspected["State"]["StartedAt"]))
                phase.process = int(inspected["State"]["Pid"])
                phase.read_back = self._read_back(client, asked, inspected, environment, settled)
                # The phase has the copies mounted now, and its network holds as long as it does.
                client.remove_container(asked.names.helper, force=True, v=True)
        except BaseException:
            if watcher is not None:
                watcher.close()
            with contextlib.suppress(InfrastructureError):
                remove_all(self.engine, asked.names)
            with contextlib.suppress(InfrastructureError):
                log.finish(1.0)
            raise
        return phase

    def _start(self, client: "APIClient", identity: str, job: Job) -> None:
        import docker.errors

        try:
            client.start(identity)
        except docker.errors.APIError as error:
            text = plain(str(error.explanation), 100_000)
            if "exec:" in text and any(reason in text for reason in _NOT_EXECUTABLE):
                raise SubmissionError(
                    f"{job.label} command {plain(job.command[0], 100)!r}: cannot be "
                    f"executed in the sandbox: {text.rpartition('exec:')[2].strip()[-300:]}"
                ) from error
            if _never_ran(client.inspect_container(identity)):
                raise NeverStartedError(
                    f"cannot start the {job.label} phase: the Docker engine says: {text[:600]}",
                    remedy="see `harness doctor` and the engine's own log, then --resume",
                ) from error
            raise

    def _read_back(
        self,
        client: "APIClient",
        asked: creation.Asked,
        inspected: dict[str, Any],
        environment: list[str],
        settled: Settled,
    ) -> tuple[IsolationFact, ...]:
        names = asked.names
        return isolation_facts(
            Started(
                job=asked.job,
                image_digest=self.image_id,
                environment=tuple(environment),
                runtime=self.runtime,
                container=inspected,
                volume=client.inspect_volume(names.volume) if names.volume else None,
                copies=asked.copies,
                copied=tuple(client.inspect_volume(name) for name in names.copies),
                settled=settled,
                helper=client.inspect_container(names.helper) if names.helper else {},
            )
        )

    def _sealed_off(self) -> dict[str, Any]:
        """Flags that hold for every container of ours."""
        return {
            "network_mode": "none",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges", seccomp.security_option()],
            "ipc_mode": "private",
            "cgroupns": "private",
            "log_config": {"Type": "none"},
            "runtime": self.runtime,
        }

    def _examine(self, client: "APIClient") -> Packages:
        """What is in the image; and that a directory of ours, mounted, is this very directory."""
        from docker.errors import APIError, NotFound

        token = ownership.token()
        with tempfile.TemporaryDirectory(dir=_SHARED_MEMORY, prefix="pgolf-probe-") as folder:
            (Path(folder) / token).touch()
            mount = Mount(source=Path(folder), target=PurePosixPath("/probe"))
            name = f"parameter-golf-{token}-probe"
            try:
                with held_back():
                    created = client.create_container(
                        self.image_id,
                        ["/bin/true"],
                        name=name,
                        labels={OWNER_LABEL: token},
                        host_config=client.create_host_config(
                            mounts=[creation.bound(mount)], **self._sealed_off()
                        ),
                    )
                stream, _ = client.get_archive(created["Id"], f"/probe/{token}")
                stream.close()
                return image.packages_in(client, created["Id"])
            except APIError as error:
                raise InfrastructureError(
                    "the Docker engine does not see this machine's shared memory "
                    f"({plain(str(error.explanation), 200)})",
                    remedy="run the harness beside the engine, not in another container or machine",
                ) from error
            finally:
                with contextlib.suppress(NotFound):
                    client.remove_container(name, force=True, v=True)


def _never_ran(container: dict[str, Any]) -> bool:
    """Whether the engine knows that no process of a container was ever started."""
    state = container["State"]
    return not state["Running"] and state["StartedAt"] == _NEVER


# How the engine writes that there was no such moment.
_NEVER = "0001-01-01T00:00:00Z"
_NOT_EXECUTABLE = (
    "executable file not found",
    "no such file or directory",
    "permission denied",
    "not a directory",
    "is a directory",
    "too many levels of symbolic links",
    "exec format error",
    "file name too long",
)
