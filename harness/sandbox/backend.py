"""What a backend is: one way to run untrusted code, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.evidence.isolation import REQUIRED

if TYPE_CHECKING:
    from harness.contest.entry import Layout
    from harness.contest.track import Track
    from harness.models import Finding
    from harness.sandbox.protocol import Sandbox
    from harness.sandbox.selfcheck.proof import Proof


@dataclass(frozen=True)
class Asked:
    """What a sandbox is wanted for.

    ``track`` and ``layout``, that of the entry, decide which image is needed. ``note`` is told of
    the progress of what takes long. ``runtime`` is the engine's runtime for the containers, such
    as ``runsc``; its default when empty.
    """

    track: Track
    note: Callable[[str], None]
    runtime: str = ""
    layout: Layout = "submission"


class Proven(NamedTuple):
    """The result of a self-check: each property, and what else should be known of this machine."""

    proofs: tuple[Proof, ...]
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Backend:
    """One way to run untrusted code.

    ``name`` is what people call it, and what evidence and verdicts keep. ``proves`` are the ids of
    :mod:`harness.evidence.isolation` that it reads back in every phase. ``open`` gives a sandbox
    that is not prepared; it raises InfrastructureError when there can be none here, and UsageError
    when it is asked for what it does not have. ``examine`` says what this machine has and lacks for
    it, ``prove`` is its self-check: None for one with nothing to install, or nothing to prove.
    ``control`` starts phases without anything that isolates: what leaks must be seen to leak there.
    """

    name: str
    proves: frozenset[str]
    open: Callable[[Asked], Sandbox]
    examine: Callable[[Track], list[Finding]] | None = None
    prove: Callable[[Asked], Proven] | None = None
    control: Callable[[Asked], Sandbox] | None = None

    @property
    def isolates(self) -> bool:
        """Whether it proves all that a verdict needs; one that does not only rehearses."""
        return self.proves >= REQUIRED
