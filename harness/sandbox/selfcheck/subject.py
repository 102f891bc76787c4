"""What the self-check asks of a backend: two ways to start phases, and what is seen of them.

A backend with a self-check answers these questions in a module of its own; the self-check knows no
engine.
"""

from collections.abc import Sequence
from typing import Protocol

from harness.evidence.phase import IsolationFact
from harness.sandbox.protocol import Job, Running, Sandbox
from harness.sandbox.selfcheck.proof import Expected


class Subject(Protocol):
    """A backend whose properties are proved."""

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox; prepared."""
        ...

    @property
    def default(self) -> Sandbox:
        """The control: phases without anything that we ask for, as they come; prepared."""
        ...

    @property
    def hidden(self) -> Sequence[str]:
        """Places of a phase that must not be readable, because they tell of the machine."""
        ...

    def expected(self, job: Job, *, reported: int) -> tuple[Expected, ...]:
        """All properties, for the sandbox with the limits of ``job``.

        Args:
            job: with an output directory.
            reported: how many properties were read back.
        """
        ...

    def outside(self, phase: Running, job: Job) -> dict[str, str]:
        """What this machine says of a phase that runs, by the id of the property."""
        ...

    def read_back(self, phase: Running, job: Job) -> tuple[IsolationFact, ...]:
        """What the backend reports of a phase that runs, in either sandbox."""
        ...

    def traces(self, phase: Running) -> str:
        """What still exists of a phase for which :meth:`outside` was asked; ``none`` if nothing."""
        ...
