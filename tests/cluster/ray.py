"""A Ray of two nodes on this machine; each is a raylet of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

NODES = ("n1", "n2")
_PATIENCE_SECONDS = 120


@dataclass
class RayCluster:
    """A running cluster."""

    place: Path
    address: str
    raylets: dict[str, psutil.Process] = field(default_factory=dict)

    def start_node(self, node: str, *, head: bool = False) -> None:
        """Start a raylet; the first is the head."""
        port = self.address.rpartition(":")[2]
        where = ["--head", f"--port={port}", f"--temp-dir={self.place}"]
        where = where if head else [f"--address={self.address}"]
        options = [f"--node-name={node}", "--num-cpus=1", '--resources={"harness_node": 1}']
        options += ["--object-store-memory=100000000", "--disable-usage-stats"]
        options += ["--include-dashboard=false"] if head else []
        before = set(self._raylets())
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *where, *options]
        done = subprocess.run(
            command,
            env={**os.environ, "RAY_DISABLE_IMPORT_WARNING": "1"},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (self.raylets[node],) = set(self._raylets()) - before

    def kill_node(self, node: str) -> None:
        """Kill a raylet and all that runs on its node, as if the machine died."""
        raylet = self.raylets.pop(node)
        for process in [raylet, *raylet.children(recursive=True), *_jobs_on(node, self.place)]:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def close(self) -> None:
        """End all that was started."""
        jobs = [job for node in NODES for job in _jobs_on(node, self.place)]
        for number in (signal.SIGTERM, signal.SIGKILL):
            every = {*self._mine(), *jobs}
            for process in every:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
            psutil.wait_procs(list(every), timeout=10)

    def _raylets(self) -> list[psutil.Process]:
        return [each for each in self._mine() if _name(each) == "raylet"]

    def _mine(self) -> list[psutil.Process]:
        """Processes whose command names our directory or our head."""
        mine = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline())
                if process.pid != os.getpid() and (
                    str(self.place) in words or self.address in words
                ):
                    mine += [process, *process.children(recursive=True)]
        return list(dict.fromkeys(mine))


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return str(process.name())
    return ""


def _jobs_on(node: str, place: Path) -> list[psutil.Process]:
    """Runs that a node has begun; they are programs of their own."""
    mine = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            ours = environment.get("HARNESS_CLUSTER_TEST") == str(place)
            if ours and environment.get("HARNESS_NODE") == node:
                mine.append(process)
    return mine


@contextlib.contextmanager
def ray_started() -> Iterator[RayCluster]:
    """A cluster of two nodes; it is gone after the block."""
    # Its sockets lie deep below, and their paths may have 107 characters.
    place = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    cluster = RayCluster(place, f"127.0.0.1:{port}")
    try:
        cluster.start_node("n1", head=True)
        cluster.start_node("n2")
        yield cluster
    finally:
        cluster.close()
        time.sleep(0.5)
        shutil.rmtree(place, ignore_errors=True)
