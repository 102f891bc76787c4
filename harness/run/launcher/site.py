"""The interface to what runs jobs on a site's nodes: Slurm, Ray."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.errors import InfrastructureError
from harness.run.launcher.desk import Record


class UnreachableError(InfrastructureError):
    """The site does not answer now; nothing follows about its jobs."""


@dataclass(frozen=True)
class JobState:
    """What the site says of a job: ``gone`` is over, ``why`` in the site's own words.

    ``job`` is the site's own name of it, for whoever sent it and could not write that down.
    """

    what: Literal["waiting", "running", "gone"]
    node: str = ""
    why: str = ""
    job: str = ""


WAITING = JobState("waiting")
GONE = JobState("gone", why="the site does not know the job any more")


class Site(Protocol):
    """Runs jobs, each on one node, and says what becomes of them."""

    def nodes(self) -> frozenset[str]:
        """The names of all nodes that jobs may be sent to, whether they are up or not.

        Raises:
            UnreachableError: the site does not answer.
        """

    def has_room(self, avoid: Collection[str]) -> bool:
        """Whether a job may be sent now; one that keeps a queue always has room.

        Raises:
            UnreachableError: the site does not answer.
        """

    def submit(self, record: Record, *, avoid: Collection[str]) -> str:
        """Send a task to any node but some; the site's own name of the job.

        Raises:
            UnreachableError: the site does not answer.
            InfrastructureError: the site refuses such a job.
        """

    def states(self, jobs: Mapping[str, str]) -> dict[str, JobState]:
        """The states of some jobs, by their names; ``jobs`` maps names to jobs, "" if not known.

        Raises:
            UnreachableError: the site does not answer.
        """

    def cancel(self, job: str) -> None:
        """End a job, or see to it that it does not begin.

        Raises:
            UnreachableError: the site does not answer.
        """

    def close(self) -> None:
        """Let go of the site; its jobs go on."""
