"""Containers as the engine makes them by itself: the control of every proof.

What is proved of our sandbox must be missing here, and what leaks must leak here; a probe that says
the same of both proves nothing. Never run a stranger's code in one.
"""

import contextlib
import time

from harness.errors import InfrastructureError
from harness.safeio import ownership
from harness.sandbox.docker.container import ContainerPhase, Names, remove_all
from harness.sandbox.docker.creation import accelerators_of, attach
from harness.sandbox.docker.engine import OWNER_LABEL
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.limits import SCRATCH
from harness.sandbox.logs import LogCapture
from harness.sandbox.protocol import Job


class DefaultContainers(DockerSandbox):
    """Starts phases as root in containers with the engine's defaults, mounts writable.

    Of a job only command, mounts, accelerators, log and time are used. There is no output
    directory: whatever is written to :attr:`output` goes with the container.
    """

    @property
    def output(self) -> str:
        """A directory of the container's own."""
        return str(SCRATCH)

    def start(self, job: Job) -> ContainerPhase:
        """See :class:`harness.sandbox.protocol.Sandbox`; call :meth:`prepare` before."""
        if not self.image_id:
            raise RuntimeError("prepare() must come before start()")
        token = ownership.token()
        names = Names(
            container=f"parameter-golf-{token}-default",
            helper=None,
            keeper=None,
            volume=None,
            copies=(),
        )
        log = LogCapture(job.log, limit_bytes=job.limits.log_bytes)
        try:
            with self.engine.connection() as client:
                created = client.create_container(
                    self.image_id,
                    list(job.command),
                    name=names.container,
                    labels={OWNER_LABEL: token},
                    user="0:0",
                    working_dir=str(job.code.target),
                    host_config=client.create_host_config(
                        binds=[
                            f"{mount.source}:{mount.target}" for mount in (job.code, *job.mounts)
                        ],
                        device_requests=accelerators_of(job),
                    ),
                )
                identity = str(created["Id"])
                log.drain(attach(self.engine, identity))
                log.starts_now()
                called_at = time.monotonic()
                self._start(client, identity, job)
                phase = ContainerPhase(
                    job,
                    log,
                    engine=self.engine,
                    container_id=identity,
                    names=names,
                    called_at=called_at,
                    returned_at=time.monotonic(),
                    overhead_seconds=0.0,
                )
                phase.watch()
        except BaseException:
            with contextlib.suppress(InfrastructureError):
                remove_all(self.engine, names)
            with contextlib.suppress(InfrastructureError):
                log.finish(1.0)
            raise
        return phase
