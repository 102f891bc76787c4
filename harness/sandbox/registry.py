"""Which sandbox a verification runs in."""

from collections.abc import Callable
from typing import Literal

from harness.contest.track import Track
from harness.errors import InfrastructureError, UsageError
from harness.sandbox.protocol import Sandbox

SandboxChoice = Literal["docker", "process", "auto"]


def choose(
    name: SandboxChoice,
    *,
    track: Track,
    note: Callable[[str], None],
    runtime: str = "",
) -> Sandbox:
    """The sandbox asked for; ``auto`` is Docker when an engine answers, else the rehearsal.

    Args:
        name: what the user asked for.
        track: decides which image is needed, and whether a rehearsal is worth anything: a track
            that is a contest never falls back to one by itself when an engine is there.
        runtime: the engine's runtime for the containers, such as ``runsc``; asking for one asks
            for Docker. The engine's default when empty.
        note: told why the choice fell as it did, and of the progress of an image's build.

    Raises:
        InfrastructureError: Docker is needed, and engine or image cannot be had.
        UsageError: a runtime was named for a rehearsal, which has none.
    """
    from harness.sandbox.process.sandbox import ProcessSandbox

    if name == "process" and runtime:
        raise UsageError("--runtime names a runtime of Docker: leave it out with --sandbox process")
    name = "docker" if runtime else name
    if name == "process":
        return ProcessSandbox()
    from harness.sandbox.docker.engine import available
    from harness.sandbox.docker.sandbox import DockerSandbox

    answers, why = available()
    if not answers:
        if name == "docker":
            raise InfrastructureError(
                f"the Docker sandbox was asked for: {why}",
                remedy="start the engine, or rehearse with --sandbox process",
            )
        note(f"no Docker engine ({why}): rehearsing in the process sandbox, not isolated")
        return ProcessSandbox()
    accelerator = "cuda" if track.hardware.accelerators else "cpu"
    sandbox = DockerSandbox(accelerator=accelerator, note=note, runtime=runtime)
    if name == "docker" or not track.rehearsal:
        return sandbox
    try:
        sandbox.prepare()
    except InfrastructureError as error:
        note(f"{error.message}: rehearsing in the process sandbox, not isolated ({error.remedy})")
        return ProcessSandbox()
    return sandbox
