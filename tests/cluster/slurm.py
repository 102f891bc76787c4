"""A Slurm of two nodes on this machine, in a directory of its own; nothing outside it is touched.

Each node's daemon has its own view of the file system, so that one of them alone can lose the
shared directory or fill its disk.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "unshare", "nsenter", "mount")
NODES = ("n1", "n2")
_PATIENCE_SECONDS = 60
_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool-%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MinJobAge=10
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
SchedulerParameters=sched_min_interval=100000,bf_interval=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[0]} CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=9
"""


@dataclass
class Slurm:
    """A running cluster."""

    place: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        """What ``SLURM_CONF`` is to name."""
        return self.place / "slurm.conf"

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def node_of(self, job: str) -> str:
        """The node that a job runs on; empty while it waits."""
        return self.ask("squeue", "-h", "-t", "R", "-j", job, "-o", "%N")

    def start_node(self, node: str) -> None:
        """Start the daemon of a node, with its own view of what is mounted."""
        (self.place / f"spool-{node}").mkdir(exist_ok=True)
        self._start(node, ["unshare", "-m", "--propagation", "slave", "slurmd", "-D", "-N", node])

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon and all that it started, at once, as if the machine died."""
        daemon = psutil.Process(self.daemons.pop(node).pid)
        family = [daemon, *daemon.children(recursive=True), *self._jobs_on(node)]
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.suspend()  # so that none sees another one die
        for process in {*family, *self._jobs_on(node)}:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(psutil.Error):
            daemon.wait(10)

    def kill_daemon(self, node: str) -> None:
        """Kill a node's daemon alone: what it has started computes on."""
        daemon = self.daemons.pop(node)
        daemon.kill()
        daemon.wait()

    def inside(self, node: str, *command: str) -> None:
        """Run a command that sees what a node's jobs see, those that run already among them."""
        target = str(self.daemons[node].pid)
        subprocess.run(["nsenter", "-t", target, "-m", *command], check=True, timeout=60)

    def wait_until_idle(self, nodes: Sequence[str] = NODES) -> None:
        """Wait until nodes can take jobs."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            lines = self.ask("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T").splitlines()
            states = dict(line.split() for line in lines)
            if all(states.get(node) == "idle" for node in nodes):
                return
            time.sleep(0.3)
        raise AssertionError(f"nodes are {states}; see {self.place}")

    def close(self) -> None:
        """End the jobs, then all daemons."""
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            self.ask("scancel", "-u", "root")
            self.wait_until_idle([node for node in NODES if node in self.daemons])
        for node in NODES:
            for process in self._jobs_on(node):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        for name in reversed(tuple(self.daemons)):
            daemon = self.daemons.pop(name)
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def _start(self, name: str, command: list[str]) -> None:
        with (self.place / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                command, env=self._environment, stdout=out, stderr=out, start_new_session=True
            )

    def _jobs_on(self, node: str) -> list[psutil.Process]:
        """Processes that a node's daemon started, its helpers for each job among them."""
        mine = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                ours = environment.get("SLURM_CONF") == str(self.conf)
                step = process.name() == "slurmstepd" and f"[{node}]" in " ".join(process.cmdline())
                if (ours and environment.get("SLURMD_NODENAME") == node) or step:
                    mine += [process, *process.children(recursive=True)]
        return mine


@contextlib.contextmanager
def slurm_started(place: Path) -> Iterator[Slurm]:
    """A cluster whose nodes ``n1`` and ``n2`` are idle; it is gone after the block."""
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    assert not lacking, f"{', '.join(lacking)}: apt-get install slurm-wlm munge util-linux"
    place.mkdir(parents=True)
    (place / "state").mkdir()
    key = place / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    port, *ports = _free_ports(3)
    conf = _CONF.format(
        host=socket.gethostname().partition(".")[0], port=port, ports=ports, place=place
    )
    slurm = Slurm(place)
    slurm.conf.write_text(conf)
    try:
        names = {"socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        options = [f"--{option}={place / name}" for option, name in names.items()]
        slurm._start("munged", ["munged", "-F", "--force", f"--key-file={key}", *options])
        _wait_for(place / "munge.socket")
        slurm._start("slurmctld", ["slurmctld", "-D"])
        for node in NODES:
            slurm.start_node(node)
        _wait_until_answered(slurm)
        slurm.wait_until_idle()
        yield slurm
    finally:
        slurm.close()


def _wait_until_answered(slurm: Slurm) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            slurm.ask("sinfo", "-h")
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
