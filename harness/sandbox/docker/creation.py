"""What a phase has at the engine: its volumes, the container that keeps them, its own container."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.safeio.interrupts import held_back
from harness.sandbox import limits
from harness.sandbox.docker import counters, seccomp
from harness.sandbox.docker.container import Names
from harness.sandbox.docker.engine import OWNER_LABEL, Engine
from harness.sandbox.protocol import Job, Mount
from harness.sandbox.separation import Copy

if TYPE_CHECKING:
    from docker.api.client import APIClient


@dataclass(frozen=True)
class Asked:
    """A phase as it is to be created.

    ``sealed_off`` are the flags that hold for every container of ours; ``image_names`` the
    variables that the image would set; ``token`` names the phase's owner. ``joins_helper``: the
    phase gets the helper's network; an engine that maps users cannot do that, since the network is
    that of the machine's root.
    """

    job: Job
    copies: tuple[Copy, ...]
    names: Names
    token: str
    image_id: str
    image_names: tuple[str, ...]
    sealed_off: Mapping[str, Any]
    joins_helper: bool = True

    @property
    def labels(self) -> dict[str, str]:
        """What tells the next harness whose it is."""
        return {OWNER_LABEL: self.token}


def names_for(job: Job, copies: Sequence[Copy], token: str) -> Names:
    """Names of all that a phase has at the engine."""
    name = f"parameter-golf-{token}"
    return Names(
        container=f"{name}-{job.label}",
        helper=f"{name}-helper",
        keeper=f"{name}-keeper" if job.output else None,
        volume=f"{name}-output" if job.output else None,
        copies=tuple(f"{name}-copy-{number}" for number, _ in enumerate(copies)),
    )


def create_volumes(client: "APIClient", asked: Asked) -> None:
    """Create the volumes of the copies, and the one for the output where there is one."""
    wanted = {
        name: copy.volume_options
        for name, copy in zip(asked.names.copies, asked.copies, strict=True)
    }
    if asked.names.volume is not None:
        wanted[asked.names.volume] = limits.volume_options(asked.job.limits)
    for name, options in wanted.items():
        with held_back():
            client.create_volume(name, driver="local", driver_opts=options, labels=asked.labels)


def keep_output(client: "APIClient", asked: Asked) -> None:
    """Start the container that keeps the output volume mounted, where there is one.

    Where the artifact is taken early it may watch files, too.
    """
    names = asked.names
    if names.volume is None or names.keeper is None:
        return
    from docker.types import Mount as EngineMount

    output = EngineMount(
        str(limits.OUTPUT), names.volume, type="volume", read_only=True, no_copy=True
    )
    flags = dict(asked.sealed_off)
    if asked.job.early is not None:
        flags["security_opt"] = ["no-new-privileges", seccomp.watching_option()]
    host = client.create_host_config(
        **flags,
        mounts=[output],
        # It needs one; but the runtime that starts it has threads, more of them when busy.
        pids_limit=64,
        mem_limit=limits.KEEPER_MEMORY_BYTES,
        memswap_limit=limits.KEEPER_MEMORY_BYTES,
    )
    with held_back():
        client.create_container(
            asked.image_id,
            ["/bin/sleep", "infinity"],
            name=names.keeper,
            labels=asked.labels,
            user=f"{limits.USER_ID}:{limits.USER_ID}",
            entrypoint=[],
            host_config=host,
        )
    client.start(names.keeper)


def create_phase(client: "APIClient", asked: Asked, environment: Sequence[str]) -> str:
    """Create the phase's own container; its id. ``environment`` holds ``NAME=VALUE`` entries."""
    from docker.types import Mount as EngineMount
    from docker.types import Ulimit

    job = asked.job
    mounts = [
        EngineMount(str(copy.place), name, type="volume", read_only=True, no_copy=True)
        for name, copy in zip(asked.names.copies, asked.copies, strict=True)
    ]
    mounts += [bound(mount) for mount in job.mounts if mount.shared]
    if asked.names.volume is not None:
        mounts.append(
            EngineMount(str(limits.OUTPUT), asked.names.volume, type="volume", no_copy=True)
        )
    ours = {entry.partition("=")[0] for entry in environment}
    # A bare name takes a variable of the base image away.
    emptied = [name for name in asked.image_names if name not in ours]
    # The helper's, whose counters are closed, and whose host name is localhost: torchrun
    # --standalone looks its own host name up.
    joined = {"network_mode": f"container:{asked.names.helper}"} if asked.joins_helper else {}
    host = client.create_host_config(
        **{**asked.sealed_off, **joined},
        mounts=mounts,
        pids_limit=job.limits.processes,
        mem_limit=job.limits.memory_bytes,
        memswap_limit=job.limits.memory_bytes,
        shm_size=job.limits.shm_bytes,
        tmpfs={str(limits.SCRATCH): limits.scratch_options(job.limits)},
        ulimits=[
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="nofile", soft=limits.OPEN_FILES, hard=limits.OPEN_FILES),
        ],
        device_requests=accelerators_of(job),
    )
    # The client knows no name for these two.
    host["MaskedPaths"] = list(counters.masked_paths(accelerators=bool(job.accelerators)))
    host["ReadonlyPaths"] = list(counters.read_only_paths())
    with held_back():
        created = client.create_container(
            asked.image_id,
            list(job.command),
            name=asked.names.container,
            labels=asked.labels,
            hostname=None if asked.joins_helper else "localhost",
            user=f"{limits.USER_ID}:{limits.USER_ID}",
            working_dir=str(job.code.target),
            environment=[*environment, *emptied],
            entrypoint=[],
            host_config=host,
        )
    return str(created["Id"])


def accelerators_of(job: Job) -> list[Any] | None:
    """The accelerators of a phase as the engine is asked for them."""
    from docker.types import DeviceRequest

    if not job.accelerators:
        return None
    return [
        DeviceRequest(driver="nvidia", device_ids=list(job.accelerators), capabilities=[["gpu"]])
    ]


def bound(mount: Mount) -> Any:
    """A read-only bind mount of exactly this source, without what is mounted below it."""
    return bound_at(str(mount.source), str(mount.target))


def bound_at(source: str, target: str) -> Any:
    """The same, by its paths."""
    from docker.types import Mount as EngineMount

    mount = EngineMount(target, source, type="bind", read_only=True, propagation="rprivate")
    mount["BindOptions"]["NonRecursive"] = True
    return mount


def attach(engine: Engine, identity: str) -> Iterator[bytes]:
    """A container's output; attached when this returns, so that no line is missed."""
    from docker.utils.socket import frames_iter

    client = engine.client()
    socket = client.attach_socket(identity, params={"stdout": 1, "stderr": 1, "stream": 1})

    def chunks() -> Iterator[bytes]:
        # A connection that breaks ends the output; the phase's own wait call reports why.
        try:
            with contextlib.suppress(OSError):
                for _, chunk in frames_iter(socket, tty=False):
                    yield chunk
        finally:
            socket.close()
            client.close()

    return chunks()
