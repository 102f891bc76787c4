"""Phases of untrusted code as the harness starts them here: in the process sandbox, no engine."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

from harness.contest.track import load_track
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.protocol import Job, Mount, Running, Sandbox
from harness.scoring.channel import Channel
from tests.accelerator.desk import Desk
from tests.accelerator.recipe import Recipe

SECONDS = 600.0
T = TypeVar("T")

_SEVERAL = """
import subprocess, sys
count, *command = sys.argv[1:]
children = [subprocess.Popen(command) for _ in range(int(count))]
sys.exit(max(child.wait() for child in children))
"""


def launcher(command: tuple[str, ...], devices: int) -> tuple[str, ...]:
    """The train command as it is run: with so many devices, and torchrun where it is not there."""
    words = tuple(word.replace("{accelerators}", str(max(1, devices))) for word in command)
    if words[0] == "torchrun" and not Path(sys.executable).with_name("torchrun").exists():
        return (sys.executable, "-m", "torch.distributed.run", *words[1:])
    return words


@contextlib.contextmanager
def channel_phase(
    desk: Desk,
    recipe: Recipe,
    artifact: Path,
    *,
    code: Path | None = None,
    load: str | None = None,
    workers: int = 1,
    sandbox: Sandbox | None = None,
    log: str = "score",
) -> Iterator[tuple[Channel, Running]]:
    """A score phase with the worker that asks ``artifact``'s model, and the channel to it.

    ``code`` and ``load`` take the place of the recipe's own. Several ``workers`` share the devices
    there are: each is a worker of its own.
    """
    sandbox = sandbox or ProcessSandbox()
    with Channel() as channel:
        shared = Mount(channel.directory, PurePosixPath("/channel"), shared=True)
        sealed = Mount(artifact, PurePosixPath("/artifact") / artifact.name)
        command = (
            *sandbox.worker_command,
            *("--socket", f"{sandbox.inside(shared)}/socket"),
            *("--load", load or recipe.load, "--artifact", sandbox.inside(sealed)),
            *("--device", desk.device, "--methods", recipe.methods),
        )
        if 1 < workers <= len(desk.devices):
            command = (*command, "--workers", str(workers))
        elif workers > 1:
            command = (command[0], "-c", _SEVERAL, str(workers), *command)
        job = Job(
            label="score",
            command=command,
            environment=desk.environment(),
            code=Mount(code or recipe.folder, PurePosixPath("/submission")),
            mounts=(sealed, shared),
            limits=load_track("10min_16mb" if not desk.size.smoke else "smoke").sandbox,
            wallclock_seconds=SECONDS,
            accelerators=desk.devices,
            log=desk.folder / "logs" / f"{log}-{recipe.name}.log",
        )
        job.log.parent.mkdir(exist_ok=True)
        with sandbox.start(job) as running:
            yield channel, running


def ask(phase: tuple[Channel, Running], work: Callable[..., T]) -> T:
    """Have ``work`` (a scoring, or asking again) ask the worker of a phase."""
    from harness.scoring.link import AnswerError, WorkerGone

    channel, running = phase
    try:
        return work(
            channel,
            alive=lambda: running.wait(0) is None,
            progress=lambda *told: None,
        )
    except (AnswerError, WorkerGone) as error:
        running.stop()
        said = running.last_line
        raise RuntimeError(f"{type(error).__name__}: {error}; its last line: {said}") from error


def code_with(desk: Desk, recipe: Recipe, module: Path, *, name: str) -> Path:
    """A copy of the recipe's code with one more module, as ``extra.py``."""
    folder = desk.folder / "code" / f"{recipe.name}-{name}"
    shutil.copytree(recipe.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(module, folder / "extra.py")
    return folder
