"""Slurm as a site: ``sbatch``, ``squeue``, ``scancel`` and ``sinfo``, and nothing besides.

A task is a job of one node, which Slurm never starts again by itself: a second start would be a
second try, and only the pool counts those.
"""

import getpass
import os
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from harness.errors import InfrastructureError
from harness.run.launcher.desk import Record
from harness.run.launcher.script import NODE, script_for
from harness.run.launcher.settings import Cluster
from harness.run.launcher.site import JobState, UnreachableError
from harness.safeio.text import plain

_SECONDS = 60.0
_WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"})
_RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STAGE_OUT", "SIGNALING", "STOPPED"})
# What a job gets of the environment here; a site names what else it needs.
_EXPORTED = ("HOME", "LANG", "LOGNAME", "PATH", "USER")
_JOB = "SLURM_JOB_ID"


class SlurmSite:
    """The Slurm that the commands on this machine speak to.

    Raises:
        InfrastructureError: there are no such commands.
    """

    def __init__(self, settings: Cluster) -> None:
        self._settings = settings
        _ask("sinfo", "--version")

    def nodes(self) -> frozenset[str]:
        """The nodes of the partition."""
        return frozenset(_ask("sinfo", "-h", "-N", "-o", "%N", *self._partition()).split())

    def has_room(self, avoid: Collection[str]) -> bool:
        """Always: Slurm keeps a queue."""
        return True

    def submit(self, record: Record, *, avoid: Collection[str]) -> str:
        """Send a task as one job; its number."""
        asked = self._settings.slurm
        words = [
            *("--parsable", "--no-requeue", "--nodes=1", "--ntasks=1", "--open-mode=append"),
            f"--job-name={record.order.name}",
            f"--output={_literal(record.log)}",
            f"--export={','.join(_EXPORTED)}",
            f"--chdir={record.directory}",
            *self._partition(),
        ]
        for option, value in (
            ("account", asked.account),
            ("qos", asked.qos),
            ("gres", asked.gres),
            ("time", asked.time),
            ("cpus-per-task", asked.cpus),
            ("mem", asked.memory),
            ("exclude", ",".join(sorted(avoid))),
        ):
            words += [f"--{option}={value}"] if value else []
        words += ["--exclusive"] if asked.exclusive else []
        script = script_for(record, self._settings, node='"$SLURMD_NODENAME"')
        answer = _ask("sbatch", *words, *asked.options, told=script)
        return answer.strip().partition(";")[0]

    def states(self, jobs: Mapping[str, str]) -> dict[str, JobState]:
        """What ``squeue`` says of jobs, by their names; one that it forgot is not among them."""
        user = getpass.getuser()
        lines = _ask("squeue", "-h", "-t", "all", "-u", user, "-o", "%j|%T|%N|%A|%r").splitlines()
        found = {}
        for line in lines:
            name, state, node, job, reason = (*line.strip().split("|"), "", "", "", "")[:5]
            if name in jobs:
                found[name] = JobState(_what(state), node, _why(state, reason), job)
        return found

    def cancel(self, job: str) -> None:
        """``scancel``; what runs is told to end, and killed when it does not."""
        _ask("scancel", job)

    def close(self) -> None:
        """Nothing is held."""

    def _partition(self) -> list[str]:
        partition = self._settings.slurm.partition
        return [f"--partition={partition}"] if partition else []


def was_alone() -> bool | None:
    """Whether this node runs no other job now; None outside of a job, or where Slurm is silent.

    Asked on the node itself, as the job begins.
    """
    job, node = os.environ.get(_JOB), os.environ.get(NODE)
    if not job or not node:
        return None
    try:
        return set(_ask("squeue", "-h", "-t", "R,CG,S", "-w", node, "-o", "%A").split()) == {job}
    except InfrastructureError:
        return None


def _literal(path: Path) -> str:
    """A path in which Slurm sees none of its own marks."""
    return str(path).replace("\\", "\\\\").replace("%", "%%")


def _what(state: str) -> Literal["waiting", "running", "gone"]:
    return "waiting" if state in _WAITING else "running" if state in _RUNNING else "gone"


def _why(state: str, reason: str) -> str:
    word = state.lower().replace("_", " ")
    return plain(word if reason in ("", "None") else f"{word} ({reason})", 200)


def _ask(program: str, *arguments: str, told: str | None = None) -> str:
    """What a command of Slurm prints.

    Raises:
        UnreachableError: it cannot speak to Slurm, or takes too long.
        InfrastructureError: there is no such command, or it refuses.
    """
    command = [program, *arguments]
    try:
        done = subprocess.run(
            command, input=told, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"{program}: no answer in {_SECONDS:.0f} s") from error
    except OSError as error:
        raise InfrastructureError(
            f"{program}: {error.strerror}",
            remedy="run it where Slurm's commands are, or without --launcher slurm",
        ) from error
    if done.returncode == 0:
        return done.stdout
    said = plain(done.stderr.strip() or f"exit code {done.returncode}", 300)
    if program == "squeue" or not _answers():
        raise UnreachableError(f"{program}: {said}")
    raise InfrastructureError(f"{program}: {said}", remedy=_REMEDY)


_REMEDY = "correct the file that --cluster names; [slurm] there says what is asked for"


def _answers() -> bool:
    """Whether Slurm answers anything at all."""
    command = ["sinfo", "-h"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
