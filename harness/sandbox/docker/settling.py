"""The helper that sets a phase up: a trusted container of our own image, gone before it matters.

It runs :mod:`harness.inside.settle`. It is root there, which is what the kernel wants of who may
have it forget names, and ``/proc/sys`` may be written; it has no capability, no network and no
privilege, and sees the sources of the copies, the volumes, and what the phase will share. The same
way on every machine: also where the harness itself runs without rights, since whoever may use the
engine's socket may start such a container. Where the kernel refuses it (an engine without root, a
user namespace), that is told, and isolation is not proven there.

Its network namespace, which has no interface but the loopback, becomes the phase's: what counts for
the whole machine can be closed in a namespace only before the phase runs in it.

It is not killed before the phase has started, because a volume of the engine's is gone when nobody
has it mounted.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.errors import InfrastructureError
from harness.package import PACKAGE
from harness.safeio.interrupts import held_back
from harness.safeio.text import plain
from harness.sandbox import limits
from harness.sandbox.docker.creation import Asked, accelerators_of, bound_at
from harness.sandbox.docker.engine import Engine
from harness.sandbox.separation import Settled

if TYPE_CHECKING:
    from docker.api.client import APIClient

SOURCE = PACKAGE / "inside" / "settle.py"
COUNTS = PACKAGE / "inside" / "counts.py"
_LOADER = """
import json, sys, types
sys.modules["inside"] = package = types.ModuleType("inside")
package.__path__ = []
for name, text in json.loads(sys.argv.pop()):
    module = types.ModuleType("inside." + name)
    module.__package__ = "inside"
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(text, module.__dict__)
module.main()
"""
_SECONDS = 1_800.0  # shards are read from a cold disk
_ANSWER_BYTES = 1 << 20
_PYTHON = f"{limits.VENV}/bin/python"
_OWN_KERNELS = ("runc", "crun")


class Settler:
    """Sets phases up, one after the other.

    Args:
        engine: makes a connection that waits for the helper.
        info: the engine's description of itself.
    """

    def __init__(self, engine: Engine, info: Mapping[str, Any]) -> None:
        self._engine = engine
        self._runtime = runtime_of(info)

    def settle(self, client: "APIClient", asked: Asked) -> Settled:
        """Fill the volumes and bring what is shared into its one state; the helper stays.

        Args:
            client: a connection.
            asked: the phase that will start; its volumes exist.

        Raises:
            InfrastructureError: the helper did not do its work, or a copy is not what was hashed.
        """
        identity = _create(client, asked, runtime=self._runtime)
        settled = _told(self._engine, client, identity)
        if settled.copies != tuple(copy.digest for copy in asked.copies):
            raise InfrastructureError(
                f"what the {asked.job.label} sandbox was to be given is not what was hashed: a "
                "file was changed while it was copied",
                remedy="leave the run's directory and the dataset alone meanwhile; then --resume",
            )
        return settled


def runtime_of(info: Mapping[str, Any]) -> str:
    """A runtime that shares this machine's kernel: only there does dropping help anybody."""
    known = info.get("Runtimes") or {}
    default = str(info.get("DefaultRuntime") or "runc")
    return next((name for name in _OWN_KERNELS if name in known), default)


def maps_users(info: Mapping[str, Any]) -> bool:
    """Whether root in a container is another user of the machine; the helper is not such a one."""
    return any("name=userns" in str(option) for option in info.get("SecurityOptions") or [])


def _create(client: "APIClient", asked: Asked, *, runtime: str) -> str:
    from docker.types import Mount as EngineMount

    mounts, copies = [], []
    for number, (volume, copy) in enumerate(zip(asked.names.copies, asked.copies, strict=True)):
        source, target = f"/from/{number}", f"/to/{number}"
        mounts.append(bound_at(str(copy.source), source))
        mounts.append(EngineMount(target, volume, type="volume", no_copy=True))
        copies.append([source, target, copy.name])
    walks = ["/"]
    for mount in asked.job.mounts:
        if mount.shared:
            walks.append(f"/shared/{len(walks)}")
            mounts.append(bound_at(str(mount.source), walks[-1]))
    told = {"copies": copies, "walks": walks, "canary": str(limits.WORKER)}
    flags = {
        **asked.sealed_off,
        "runtime": runtime,
        # The engine's own profile of system calls: ours keeps a phase from throwing pages out.
        "security_opt": ["no-new-privileges", "apparmor=unconfined", "label=disable"],
        "userns_mode": "host",
    }
    host = client.create_host_config(
        **flags, mounts=mounts, pids_limit=64, device_requests=accelerators_of(asked.job)
    )
    # No limit of memory: pages that are read count against who reads them first.
    host["MaskedPaths"], host["ReadonlyPaths"] = [], []
    sources = [(path.stem, path.read_text()) for path in (COUNTS, SOURCE)]
    with held_back():
        created = client.create_container(
            asked.image_id,
            [_PYTHON, "-I", "-S", "-c", _LOADER, json.dumps(told), json.dumps(sources)],
            name=asked.names.helper,
            labels=asked.labels,
            # The phase's too: whoever joins a network takes its host name over.
            hostname="localhost",
            user="0:0",
            entrypoint=[],
            environment=["NVIDIA_VISIBLE_DEVICES=void"] if not asked.job.accelerators else None,
            host_config=host,
        )
    return str(created["Id"])


def _told(engine: Engine, client: "APIClient", identity: str) -> Settled:
    """Start the helper, and read its one line."""
    with engine.connection(_SECONDS) as waiting:
        from docker.utils.socket import frames_iter

        socket = waiting.attach_socket(identity, params={"stdout": 1, "stderr": 1, "stream": 1})
        try:
            client.start(identity)
            said = b""
            for _, chunk in frames_iter(socket, tty=False):
                said += chunk
                if b"\n" in chunk or len(said) > _ANSWER_BYTES:
                    break
        finally:
            socket.close()
    try:
        return Settled.model_validate_json(said.partition(b"\n")[0])
    except ValidationError as error:
        client.inspect_container(identity)  # an engine that died meanwhile is named as the reason
        text = plain(said.decode("utf-8", "replace"), 100_000)[-300:]
        raise InfrastructureError(
            f"the container that sets a phase up did not do so; it said: {text or 'nothing'}",
            remedy="see the engine's own log; build the image anew with harness image --force; "
            "then --resume",
        ) from error
