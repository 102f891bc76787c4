"""Ray as a site: a task is a named actor that outlives us, on a node that we choose.

Ray queues nothing here: an actor is made only where a node is free, so that none waits on a node
that is to be passed over. What runs is a program of its own; a raylet that dies takes the actor
with it, but the run is lost only when nobody holds its lock any more, as everywhere.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from harness.run.launcher.desk import Record
from harness.run.launcher.script import script_for
from harness.run.launcher.settings import Cluster
from harness.run.launcher.site import JobState, UnreachableError
from harness.safeio.text import plain

_NAMESPACE = "harness"
_SECONDS = 30.0
_KILL_SECONDS = 20.0


class Runner:
    """Lives on a node: runs one script, and says whether it still does."""

    def __init__(self, node: str, script: str, log: str) -> None:
        self._node = node
        with open(log, "ab") as out:  # noqa: PTH123 - stands alone where no harness may be
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", script],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def state(self) -> tuple[str, int | None]:
        """The node, and the exit code if the script has ended."""
        return self._node, self._process.poll()

    def stop(self) -> None:
        """End the script and all that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_KILL_SECONDS)


class RaySite:
    """The Ray cluster whose head the settings name.

    Raises:
        ModuleNotFoundError: Ray is not installed.
        UnreachableError: the head does not answer.
    """

    def __init__(self, settings: Cluster) -> None:
        import ray

        self._ray: Any = ray
        self._settings = settings
        self._sent: dict[str, str] = {}
        with _answers():
            ray.init(
                address=settings.ray.address,
                namespace=_NAMESPACE,
                log_to_driver=False,
                configure_logging=False,
                ignore_reinit_error=True,
            )
            self._ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

    def nodes(self) -> frozenset[str]:
        """The names of the nodes that are up and have the resource."""
        return frozenset(self._alive())

    def has_room(self, avoid: Collection[str]) -> bool:
        """Whether a node is free that is not to be avoided."""
        return self._free(avoid) is not None

    def submit(self, record: Record, *, avoid: Collection[str]) -> str:
        """Send a task to a free node; the actor's name."""
        node = self._free(avoid)
        if node is None:
            raise UnreachableError("no node is free")
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        script = script_for(record, self._settings, node=f"'{node}'")
        with _answers():
            strategy = NodeAffinitySchedulingStrategy(self._alive()[node], soft=False)
            self._ray.remote(Runner).options(
                name=record.order.name,
                lifetime="detached",
                num_cpus=0,
                resources={self._settings.ray.resource: 1},
                scheduling_strategy=strategy,
                max_concurrency=2,
            ).remote(node, script, str(record.log))
        self._sent[record.order.name] = node
        return record.order.name

    def states(self, jobs: Mapping[str, str]) -> dict[str, JobState]:
        """What the actors say; one that is dead or was never made is not among them."""
        with _answers():
            found = {name: state for name in jobs if (state := self._state(name)) is not None}
        for name in jobs.keys() - found.keys():
            self._sent.pop(name, None)
        return found

    def cancel(self, job: str) -> None:
        """End the script, then its actor."""
        with _answers(), contextlib.suppress(ValueError, self._ray.exceptions.RayError):
            actor = self._ray.get_actor(job, namespace=_NAMESPACE)
            ended = actor.stop.remote()
            self._ray.wait([ended], timeout=2 * _KILL_SECONDS + _SECONDS)
            self._ray.kill(actor)

    def close(self) -> None:
        """Leave Ray; detached actors stay."""
        self._ray.shutdown()

    def _state(self, name: str) -> JobState | None:
        errors = self._ray.exceptions
        try:
            actor = self._ray.get_actor(name, namespace=_NAMESPACE)
            asked = actor.state.remote()
            ready, _ = self._ray.wait([asked], timeout=1.0)
            if not ready:
                return JobState("waiting", self._sent.get(name, ""), "the actor is being made")
            node, code = self._ray.get(asked)
        except (ValueError, errors.RayActorError, errors.RayTaskError):
            return None  # no such actor, or it died with its node
        if code is None:
            self._sent[name] = node
            return JobState("running", node)
        self._sent.pop(name, None)  # the node is free, whether or not we are asked again
        self._ray.kill(actor)
        return JobState("gone", node, f"exit code {code}")

    def _free(self, avoid: Collection[str]) -> str | None:
        with _answers():
            for name in tuple(self._sent):  # what has ended is not asked for again by anybody
                if self._state(name) is None:
                    self._sent.pop(name, None)
        busy = Counter(self._sent.values())
        free = [node for node in sorted(self._alive()) if node not in avoid and not busy[node]]
        return free[0] if free else None

    def _alive(self) -> dict[str, str]:
        """Ray's ids of nodes, by their names: names that two nodes share get the id's beginning."""
        with _answers():
            every = [
                (plain(str(node.get("NodeName") or node["NodeManagerHostname"]), 100), node)
                for node in self._ray.nodes()
                if node["Alive"] and node["Resources"].get(self._settings.ray.resource)
            ]
        shared = Counter(name for name, _ in every)
        return {
            name if shared[name] == 1 else f"{name}-{node['NodeID'][:8]}": node["NodeID"]
            for name, node in every
        }


@contextlib.contextmanager
def _answers() -> Iterator[None]:
    """Turn what Ray says of an unreachable cluster into an error of ours."""
    from ray.exceptions import RaySystemError, RpcError

    try:
        yield
    except (ConnectionError, RaySystemError, RpcError, TimeoutError) as error:
        raise UnreachableError(
            f"Ray does not answer: {plain(str(error), 200)}",
            remedy="start it (docs/cluster.md), and name its head with ray.address",
        ) from error
