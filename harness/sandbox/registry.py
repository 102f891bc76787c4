"""The backends: which sandboxes there are, what each proves, and which one a verification gets.

A new backend is a folder here and a line in :data:`BACKENDS`. There are no plug-ins from outside:
one would lie outside the digest of what measured, and vouch for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import InfrastructureError
from harness.evidence.isolation import REQUIRED
from harness.sandbox.docker import backend as docker
from harness.sandbox.process import backend as process

if TYPE_CHECKING:
    from harness.contest.track import Track
    from harness.models import Finding
    from harness.sandbox.protocol import Sandbox
    from harness.sandbox.selfcheck.selfcheck import Proof

AUTO = "auto"


@dataclass(frozen=True)
class Asked:
    """What a sandbox is wanted for.

    ``track`` decides which image is needed. ``note`` is told of the progress of what takes long.
    ``runtime`` is the engine's runtime for the containers, such as ``runsc``; its default when
    empty.
    """

    track: Track
    note: Callable[[str], None]
    runtime: str = ""


class Proven(NamedTuple):
    """What a self-check came to: each property, and what else should be known of this machine."""

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
    """

    name: str
    proves: frozenset[str]
    open: Callable[[Asked], Sandbox]
    examine: Callable[[Track], list[Finding]] | None = None
    prove: Callable[[Asked], Proven] | None = None

    @property
    def isolates(self) -> bool:
        """Whether it proves all that a verdict needs; one that does not only rehearses."""
        return self.proves >= REQUIRED


BACKENDS: tuple[Backend, ...] = (
    Backend("docker", docker.PROVES, docker.open_sandbox, docker.examine, docker.prove),
    Backend("process", process.PROVES, process.open_sandbox),
)
"""In the order in which ``auto`` tries them; the last can be had everywhere."""


def names() -> tuple[str, ...]:
    """What ``--sandbox`` may be."""
    return (*(backend.name for backend in BACKENDS), AUTO)


def self_checks() -> dict[str, Callable[[Asked], Proven]]:
    """The self-checks, by the names of the backends that have one."""
    return {backend.name: backend.prove for backend in BACKENDS if backend.prove}


def choose(name: str, *, track: Track, note: Callable[[str], None], runtime: str = "") -> Sandbox:
    """The sandbox asked for; ``auto`` is the first backend that can be had here.

    Args:
        name: one of :func:`names`.
        track: what is to be run, and whether a rehearsal is worth anything: on a track that is a
            contest, a backend that answers but cannot be prepared is never passed over.
        note: told why the choice fell as it did, and of the progress of what takes long.
        runtime: see :class:`Asked`; who names one never gets another backend than the first.

    Raises:
        InfrastructureError: the backend that is needed cannot be had.
        UsageError: a runtime was named for a backend that has none.
    """
    asked = Asked(track, note, runtime)
    if runtime and name == AUTO:
        name = BACKENDS[0].name
    if name != AUTO:
        return _open(next(backend for backend in BACKENDS if backend.name == name), asked)
    for backend, following in pairwise(BACKENDS):
        try:
            sandbox = backend.open(asked)
            if track.rehearsal:
                sandbox.prepare()
        except InfrastructureError as error:
            instead = (
                f"taking the {following.name} sandbox"
                if following.isolates
                else f"rehearsing in the {following.name} sandbox, not isolated"
            )
            note(f"{error.message}: {instead} ({error.remedy})")
        else:
            return sandbox
    return BACKENDS[-1].open(asked)


def _open(backend: Backend, asked: Asked) -> Sandbox:
    """A backend that was asked for by name."""
    try:
        return backend.open(asked)
    except InfrastructureError as error:
        instead = f"or rehearse with --sandbox {BACKENDS[-1].name}"
        raise InfrastructureError(
            f"the {backend.name} sandbox was asked for: {error.message}",
            remedy=f"{error.remedy}; {instead}" if error.remedy else instead,
        ) from error
