"""Docker's answers to the self-check: from the engine's inspections and this machine's kernel."""

from typing import Any

from harness.evidence.phase import IsolationFact
from harness.sandbox import limits
from harness.sandbox.docker import counters
from harness.sandbox.docker.container import ContainerPhase
from harness.sandbox.docker.default import DefaultContainers
from harness.sandbox.docker.engine import OWNER_LABEL
from harness.sandbox.docker.proof.expected import properties, without_marker
from harness.sandbox.docker.proof.host import collect
from harness.sandbox.docker.readback import Started, compared, isolation_facts
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.limits import MARKER
from harness.sandbox.protocol import Job, Running
from harness.sandbox.selfcheck.proof import Expected
from harness.sandbox.separation import copies_for


class DockerSubject:
    """Containers of ours, and as the engine makes them by itself.

    Args:
        sandbox: prepared.
        default: prepared, with the same engine and image.
    """

    def __init__(self, sandbox: DockerSandbox, default: DefaultContainers) -> None:
        self.sandbox = sandbox
        self.default = default
        self.hidden = counters.masked_paths(accelerators=False)
        self._owners: dict[str, str] = {}

    def expected(self, job: Job, *, reported: int) -> tuple[Expected, ...]:
        """See :class:`harness.sandbox.selfcheck.subject.Subject`."""
        return properties(
            job,
            environment=_environment(job),
            info=self.sandbox.engine_info,
            runtime=self.sandbox.runtime,
            reported=reported,
        )

    def outside(self, phase: Running, job: Job) -> dict[str, str]:
        """See :class:`harness.sandbox.selfcheck.subject.Subject`."""
        container, volume = self._inspected(phase)
        self._owners[container["Id"]] = container["Config"]["Labels"][OWNER_LABEL]
        found = collect(container, volume)
        if isinstance(phase, ContainerPhase) and phase.volume_name:
            entries = [
                entry for entry in without_marker(container["Config"]["Env"]) if "=" in entry
            ]
            found["own_environment"] = compared(_environment(job), entries)[1]
        return found

    def read_back(self, phase: Running, job: Job) -> tuple[IsolationFact, ...]:
        """See :class:`harness.sandbox.selfcheck.subject.Subject`."""
        container, volume = self._inspected(phase)
        return isolation_facts(
            Started(
                job=job,
                image_digest=self.sandbox.image_id,
                environment=tuple(_environment(job)),
                runtime=self.sandbox.runtime,
                container=container,
                volume=volume,
                copies=copies_for(job),
            )
        )

    def traces(self, phase: Running) -> str:
        """What the engine still holds under the container's label."""
        label = f"{OWNER_LABEL}={self._owners[_container(phase).container_id]}"
        with self.sandbox.engine.connection() as client:
            containers = len(client.containers(all=True, filters={"label": label}))
            volumes = len(client.volumes(filters={"label": label})["Volumes"] or [])
        return f"containers: {containers}, volumes: {volumes}" if containers or volumes else "none"

    def _inspected(self, phase: Running) -> tuple[dict[str, Any], dict[str, Any] | None]:
        its = _container(phase)
        with self.sandbox.engine.connection() as client:
            container = client.inspect_container(its.container_id)
            volume = client.inspect_volume(its.volume_name) if its.volume_name else None
        return container, volume


def _container(phase: Running) -> ContainerPhase:
    if not isinstance(phase, ContainerPhase):
        raise TypeError(f"{type(phase).__name__} is no container")
    return phase


def _environment(job: Job) -> list[str]:
    """The environment that the phase should have, but for the name of its run."""
    whole = limits.environment(
        job, path=limits.CONTAINER_PATH, scratch=str(limits.SCRATCH), token=""
    )
    return limits.as_entries({name: text for name, text in whole.items() if name != MARKER})
