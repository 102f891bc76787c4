"""Docker as a backend: what it proves, and how it is opened, examined and proven on a machine.

Nothing of the engine is imported before it is asked for, because the registry must load fast.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.evidence.escapes import in_words, unvouched, vouching_line
from harness.evidence.isolation import REQUIRED
from harness.models import Finding, Status
from harness.sandbox.docker.kinds import kind_for

if TYPE_CHECKING:
    from harness.contest.track import Track
    from harness.sandbox.backend import Asked, Proven
    from harness.sandbox.docker.default import DefaultContainers
    from harness.sandbox.docker.sandbox import DockerSandbox

PROVES = REQUIRED
"""As many as ``readback.READERS`` holds, under the same ids."""


def open_sandbox(asked: Asked) -> DockerSandbox:
    """A sandbox, not prepared yet.

    Raises:
        InfrastructureError: no engine that can be used answers.
    """
    from harness.sandbox.docker.engine import usable

    usable()
    return _sandbox(asked)


def examine(track: Track) -> list[Finding]:
    """What engine and image are like for ``track``; builds nothing."""
    from harness.sandbox.docker import image
    from harness.sandbox.docker.engine import Engine, nanoseconds_of, usable

    # A rehearsal runs without an engine; a record does not.
    lacking: Status = "unknown" if track.rehearsal else "fail"
    try:
        version = usable()
    except InfrastructureError as error:
        lack = error.finding.model_copy(update={"id": "engine", "status": lacking})
        return [lack, _programs()]
    kind = kind_for(track, "submission")
    with Engine().connection() as client:
        found = image.find(client, kind=kind)
        engine_time = nanoseconds_of(client.info()["SystemTime"]) / 1e9
    apart = abs(engine_time - time.time())
    return [
        Finding(id="engine", status="pass", detail=version),
        known_escapes(refused=track.refuses_known_escapes),
        Finding(id="image", status="pass", detail=found)
        if found
        else Finding(
            id="image",
            status="unknown",
            detail=f"no sandbox image for {kind} yet; the first verification builds it",
            remedy=f"harness image --kind {kind}",
        ),
        Finding(
            id="engine_clock",
            status="pass" if apart < 1 else "fail",
            detail=f"{apart:.2f} s from this process's",
            remedy="" if apart < 1 else "synchronize the clocks (chrony or systemd-timesyncd)",
        ),
        _programs(),
    ]


def known_escapes(*, refused: bool = False) -> Finding:
    """Whether what runs containers has a version from which code is known to get out.

    ``refused``: whether the track makes no runs on such a machine.

    Raises:
        InfrastructureError: no engine answers.
    """
    from harness.sandbox.docker.cves import components, escapes_of, known_in
    from harness.sandbox.docker.engine import Engine

    with Engine().connection() as client:
        versions = components(client.version())
    try:
        found = known_in(versions)
    except InfrastructureError as error:  # what the referee vouches for cannot be read
        return error.finding.model_copy(update={"id": "known_escapes", "status": "fail"})
    believed = in_words(escape for escape in found if escape.vouched)
    word = f"; the referee vouches for {believed}" if believed else ""
    left = unvouched(found)
    if not left:
        shown = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        detail = f"none in {shown or 'engine'}{word}"
        return Finding(id="known_escapes", status="pass", detail=detail)
    ids = {escape.id for escape in left}
    detail = "; ".join(
        f"{escape.component} {version}: {', '.join(open_ones)} ({escape.what}), "
        f"repaired in {' and '.join(escape.fixed)}"
        for version, escape in escapes_of(versions)
        if (open_ones := [identity for identity in escape.ids if identity in ids])
    )
    return Finding(
        id="known_escapes",
        status="fail" if refused else "unknown",
        detail=f"{detail}{word}",
        remedy="install a repaired version; if a distribution made this one, see whether it "
        f"repaired it under the same number, and if so say it with {vouching_line(found)}",
    )


def _programs() -> Finding:
    """Programs outside Python that make a base image where no registry can be reached."""
    found = [name for name in ("docker", "debootstrap", "nvidia-smi") if shutil.which(name)]
    return Finding(
        id="programs",
        status="pass",
        detail=f"on the path: {', '.join(found)}" if found else "none needed for a rehearsal",
    )


def prove(asked: Asked) -> Proven:
    """Every property, tried from inside and looked at from outside.

    Raises:
        InfrastructureError: no engine, no image, no such runtime, or a probe that did not end.
    """
    from harness.sandbox.backend import Proven
    from harness.sandbox.docker.proof.subject import DockerSubject
    from harness.sandbox.selfcheck.selfcheck import prove as prove_properties

    sandbox, default = _sandbox(asked), open_default(asked)
    sandbox.prepare()
    default.prepare()
    return Proven(prove_properties(DockerSubject(sandbox, default)), (known_escapes(),))


def open_default(asked: Asked) -> DefaultContainers:
    """Containers with the engine's defaults, in which what we close must be seen open.

    Raises:
        InfrastructureError: no engine that can be used answers.
    """
    from harness.sandbox.docker.default import DefaultContainers
    from harness.sandbox.docker.engine import usable

    usable()
    kind = kind_for(asked.track, asked.layout)
    return DefaultContainers(kind=kind, note=asked.note, runtime=asked.runtime)


def _sandbox(asked: Asked) -> DockerSandbox:
    from harness.sandbox.docker.sandbox import DockerSandbox

    kind = kind_for(asked.track, asked.layout)
    return DockerSandbox(kind=kind, note=asked.note, runtime=asked.runtime)
