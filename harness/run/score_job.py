"""The job of a score phase: our worker, the entry's code, one sealed file and the channel."""

from collections.abc import Callable
from pathlib import Path

from harness.contest.entry import Entry, Function, Score
from harness.contest.track import Track
from harness.errors import InfrastructureError
from harness.run.paths import ARTIFACT, CHANNEL, CODE
from harness.sandbox.protocol import Job, Mount, Sandbox

UNLIMITED_SECONDS = 7 * 86_400.0
"""Where a track sets no budget, something must end a model that never answers."""


def methods_of(score: Score) -> tuple[str, ...]:
    """The methods that an entry's model must have, besides being called."""
    if not score.adaptive:
        return ()
    by_document = ("reset",) if score.streams == "documents" else ()
    return ("observe", *by_document, *(("study",) if score.study_after else ()))


def score_job(
    sandbox: Sandbox,
    *,
    code: Path,
    entry: Entry,
    track: Track,
    accelerators: tuple[str, ...],
    file: Path,
    channel: Path,
    log: Path,
    seconds: float | None,
    sha256: str = "",
    starting: Callable[[], None] = lambda: None,
) -> Job:
    """A job that runs our worker on one sealed file; all paths absolute.

    ``seconds``: after so many it is killed; None where the track sets no budget. ``sha256``: what
    the file was sealed with, where that is known. ``starting`` is called just before its code can
    run.

    Raises:
        InfrastructureError: the entry's model is asked in a way that this harness cannot.
    """
    if not isinstance(entry.score.loader, Function):
        raise InfrastructureError(
            f"a model of kind {entry.score.loader.kind} cannot be asked by this harness"
        )
    artifact = Mount(file, ARTIFACT / file.name, sha256=sha256)
    shared = Mount(channel, CHANNEL, shared=True)
    return Job(
        label="score",
        command=(
            *sandbox.worker_command,
            *("--socket", f"{sandbox.inside(shared)}/socket"),
            *("--load", entry.score.loader.load),
            *("--artifact", sandbox.inside(artifact)),
            *("--workers", str(max(1, len(accelerators)))),
            *("--device", "cuda" if accelerators else "cpu"),
            *("--methods", ",".join(methods_of(entry.score))),
        ),
        environment={},
        code=Mount(code, CODE),
        mounts=(artifact, shared),
        limits=track.sandbox,
        wallclock_seconds=UNLIMITED_SECONDS if seconds is None else seconds,
        accelerators=accelerators,
        log=log,
        starting=starting,
    )
