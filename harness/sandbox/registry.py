"""The backends: which sandboxes there are, what each proves, and which one a verification gets.

A new backend is a folder here and a line in :data:`BACKENDS`. There are no plug-ins from outside:
one would lie outside the digest of what measured, and vouch for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.sandbox.backend import Asked, Backend, Proven
from harness.sandbox.docker import backend as docker
from harness.sandbox.process import backend as process

if TYPE_CHECKING:
    from harness.contest.entry import Layout
    from harness.contest.track import Track
    from harness.sandbox.protocol import Sandbox

AUTO = "auto"


BACKENDS: tuple[Backend, ...] = (
    Backend(
        "docker",
        docker.PROVES,
        docker.open_sandbox,
        docker.examine,
        docker.prove,
        docker.open_default,
    ),
    Backend("process", process.PROVES, process.open_sandbox),
)
"""In the order in which ``auto`` tries them; the last can be had everywhere."""


def names() -> tuple[str, ...]:
    """What ``--sandbox`` may be."""
    return (*(backend.name for backend in BACKENDS), AUTO)


def self_checks() -> dict[str, Callable[[Asked], Proven]]:
    """The self-checks, by the names of the backends that have one."""
    return {backend.name: backend.prove for backend in BACKENDS if backend.prove}


def isolating() -> dict[str, Backend]:
    """The backends that isolate, by their names: those whose channels are worth measuring."""
    return {backend.name: backend for backend in BACKENDS if backend.isolates}


def choose(
    name: str,
    *,
    track: Track,
    note: Callable[[str], None],
    runtime: str = "",
    layout: Layout = "submission",
) -> Sandbox:
    """The sandbox asked for; ``auto`` is the first backend that can be had here.

    Args:
        name: one of :func:`names`.
        track: what is to be run, and whether a rehearsal is worth anything: on a track that is a
            contest, a backend that answers but cannot be prepared is never passed over.
        note: told why the choice fell as it did, and of the progress of what takes long.
        runtime: see :class:`Asked`; who names one never gets another backend than the first.
        layout: that of the entry; one in upstream's needs other packages.

    Raises:
        InfrastructureError: the backend that is needed cannot be had.
        UsageError: a runtime was named for a backend that has none.
    """
    asked = Asked(track, note, runtime, layout)
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
