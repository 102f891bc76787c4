"""The real sandbox, where an engine answers: its image, a phase with the GPUs, and what leaks.

On a machine with GPUs and NVIDIA's toolkit the CUDA image, NCCL and compilation under our profile
of system calls, memory of GPUs after a phase. Without, the same in the CPU image, in little.
"""

import json
import time
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from harness.contest.track import load_track
from harness.errors import HarnessError
from harness.sandbox.backend import Asked
from harness.sandbox.channels.figures import mark_of
from harness.sandbox.channels.measure import measure
from harness.sandbox.docker.backend import prove
from harness.sandbox.docker.default import DefaultContainers
from harness.sandbox.docker.engine import usable
from harness.sandbox.docker.kinds import ImageKind
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.protocol import Job, Mount
from tests.accelerator.asking import Asking
from tests.accelerator.desk import CannotTryError, Desk
from tests.accelerator.phases import channel_phase
from tests.accelerator.recipe import read_recipe

_EXTRA = Path(__file__).parents[1] / "extra"
_SECONDS = 120.0
_CHANNELS = ("gpu_memory", "gpu_figures", "gpu_speed", "gpu_history")


def run(desk: Desk) -> None:
    """Image, one phase that sees everything, ranks, channels, a scoring; each alone may fail."""
    kind = _kind(desk)
    note = partial(desk.tell, "image_step")
    sandbox = DockerSandbox(kind=kind, note=note)
    began = time.monotonic()
    try:
        usable()
        facts = sandbox.prepare()
    except HarnessError as error:
        raise CannotTryError(f"no sandbox: {error}") from error
    desk.tell("image", facts.image)
    desk.tell("engine", f"{facts.engine}, {facts.runtime}, {facts.versions}")
    desk.tell("image_seconds", round(time.monotonic() - began, 1))
    ranks = max(1, len(desk.devices)) if desk.cuda else 2
    backend = "nccl" if desk.cuda else "gloo"
    looks = ("python", "look.py")
    reduces = ("torchrun", "--standalone", f"--nproc_per_node={ranks}", "reduce.py", backend, "16")
    for name, command in (("seen", looks), (backend, reduces)):
        _part(desk, name, lambda c=command: _told(desk, sandbox, c))
    if desk.cuda:
        _part(desk, "seen by default", lambda: _default(desk, kind, looks))
    _part(desk, "scored", lambda: _scored(desk, sandbox))
    if not desk.size.smoke:
        _part(desk, "properties", lambda: _properties(desk))
    _part(desk, "channels", lambda: _channels(desk, sandbox, kind))


def _kind(desk: Desk) -> ImageKind:
    if not desk.cuda:
        desk.cannot("the CUDA image and GPUs in containers", "there is no GPU")
        return "cpu"
    if desk.arguments.get("toolkit", "none") == "none":
        raise CannotTryError("there is no NVIDIA container toolkit")
    return "cuda"


def _part(desk: Desk, name: str, work: Any) -> None:
    try:
        desk.tell(name, work())
    except (HarnessError, RuntimeError, ValueError, CannotTryError) as error:
        desk.cannot(f"containers: {name}", str(error)[:600])


def _told(desk: Desk, sandbox: DockerSandbox, command: tuple[str, ...]) -> Any:
    """The last line of JSON that a program of ours prints in a train phase, and its isolation."""
    log = desk.folder / "logs" / f"containers-{command[0]}.log"
    log.parent.mkdir(exist_ok=True)
    job = Job(
        label="train",
        output=True,
        command=command,
        environment={"OUTPUT_DIR": sandbox.output},
        code=Mount(_EXTRA.absolute(), PurePosixPath("/submission")),
        mounts=(),
        limits=load_track("10min_16mb" if desk.cuda else "smoke").sandbox,
        wallclock_seconds=_SECONDS,
        accelerators=desk.devices,
        log=log,
    )
    with sandbox.start(job) as running:
        facts = running.wait(_SECONDS + 30)
        facts = facts or running.stop()
    lines = [line[10:].strip() for line in log.read_text(errors="replace").splitlines()]
    told = [line for line in lines if line.startswith("{")]
    broken = [fact.id for fact in facts.isolation if not fact.holds]
    if not told:
        raise ValueError(f"{facts.outcome}, exit code {facts.exit_code}: {' | '.join(lines[-8:])}")
    return {**json.loads(told[-1]), "isolation": len(facts.isolation), "broken": broken,
            "phase_seconds": round(facts.wallclock_seconds, 2)}  # fmt: skip


def _default(desk: Desk, kind: ImageKind, command: tuple[str, ...]) -> Any:
    """The same in a container as it comes: what works there and not in ours, we broke."""
    default = DefaultContainers(kind=kind, note=partial(desk.tell, "image_step"))
    default.prepare()
    return _told(desk, default, command)


def _scored(desk: Desk, sandbox: DockerSandbox) -> dict[str, Any]:
    """The artifact of a submission, scored in a container."""
    import numpy as np

    recipe = read_recipe(desk)
    tokens = np.load(desk.folder / "validation.npy")
    asking = Asking(desk, recipe, tokens, np.load(desk.folder / "bytes.npy"))
    with channel_phase(
        desk, recipe, desk.artifact, sandbox=sandbox, log="score-container"
    ) as phase:
        scores = asking.scored_in(phase)
    return {"val_bpb": scores.val_bpb, "load_seconds": round(scores.load_seconds, 2),
            "targets_a_second": round(scores.tokens_per_second)}  # fmt: skip


def _properties(desk: Desk) -> dict[str, Any]:
    """What ``harness doctor --sandbox`` proves, with this image."""
    track = load_track("10min_16mb" if desk.cuda else "smoke")
    proven = prove(Asked(track, partial(desk.tell, "image_step"), ""))
    not_proven = [proof.id for proof in proven.proofs if not proof.stands]
    return {"properties": len(proven.proofs), "not_proven": not_proven}


def _channels(desk: Desk, sandbox: DockerSandbox, kind: ImageKind) -> dict[str, Any]:
    """What one phase leaves in GPUs and their driver for the next, beside default containers."""
    if not desk.cuda:
        raise CannotTryError("there is no GPU whose memory could be read")
    default = DefaultContainers(kind=kind, note=partial(desk.tell, "image_step"))
    default.prepare()
    report = measure(
        "docker", sandbox, default, mark_of(load_track("10min_16mb")),
        note=partial(desk.tell, "channel_step"), ids=_CHANNELS, rounds=2,
        accelerators=desk.devices,
    )  # fmt: skip
    return {
        figures.id: {
            "state": figures.state, "note": figures.note, "bits": figures.bits_sent,
            "wrong": figures.error_rate, "bits_a_phase_at_most": round(figures.bits_a_phase_high),
        }
        for figures in report.channels
    }  # fmt: skip
