"""Jobs of a script in upstream's layout: what it is told, and how it is taken over.

The command of a script that is taken over is ours: it runs the unchanged script up to its
evaluation, where our worker has its model (:mod:`harness.inside.upstream.take_over`).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.contest.bridge import Bridge
from harness.contest.entry import artifact_in_run
from harness.contest.track import Limits
from harness.errors import InfrastructureError
from harness.package import PACKAGE
from harness.run.driving import Drive
from harness.run.paths import CHANNEL, CODE, DATA, UPSTREAM
from harness.sandbox.protocol import EarlySeal, Job, Mount, Sandbox
from harness.upstream.tree import tree_environment

_STEPS, _WARM_UP = "ITERATIONS", "WARMUP_STEPS"
INSIDE = PACKAGE / "inside" / "upstream"


def upstream_mount() -> Mount:
    """The mount of what of ours runs beside a script: launcher, stand-in for CUDA, take-over."""
    return Mount(INSIDE, UPSTREAM)


def launched(
    sandbox: Sandbox,
    command: tuple[str, ...],
    *,
    work: str,
    rehearsal: bool,
    lively: bool = False,
) -> tuple[str, ...]:
    """A script's own command, begun in a directory that it can write to.

    In a rehearsal with a stand-in for CUDA, and a clock that only goes on when it is asked, so that
    runs repeat. There, with ``lively``, no matrix of the model begins at zero.
    """
    launch = f"{sandbox.inside(upstream_mount())}/launch.py"
    stand_in = ("--cpu", "--still", *(["--lively"] if lively else [])) if rehearsal else ()
    return (sandbox.worker_command[0], launch, "--work", work, *stand_in, "--", *command)


def on_accelerators(command: tuple[str, ...], accelerators: tuple[str, ...]) -> tuple[str, ...]:
    """A command with the number of its processes: one for each accelerator, at least one."""
    count = str(max(1, len(accelerators)))
    return tuple(word.replace("{accelerators}", count) for word in command)


@dataclass(frozen=True)
class Script:
    """A script, and what any phase of it needs; all paths absolute.

    ``code`` holds the script and what it imports, nothing else; ``data`` is a tree as
    :mod:`harness.run.small_tree` writes it, in ids below ``vocabulary_size``, with a split of
    ``decoy_tokens``. ``small``: it is made small as its bridge says. Without accelerators it runs
    with a stand-in for CUDA.
    """

    bridge: Bridge
    code: Path
    data: Path
    vocabulary_size: int
    decoy_tokens: int
    limits: Limits
    small: bool
    accelerators: tuple[str, ...] = ()

    @property
    def mount(self) -> Mount:
        """Of its data."""
        return Mount(self.data, DATA)

    def environment(
        self,
        sandbox: Sandbox,
        *,
        seed: int,
        run_id: str,
        seconds: float,
        besides: Mapping[str, str],
    ) -> dict[str, str]:
        """What it is told: the bridge's words first, the referee's last.

        Args:
            sandbox: says where the data lies.
            seed: of this phase.
            run_id: what it calls itself.
            seconds: its budget, by its own clock.
            besides: what the bridge says for such a phase alone.
        """
        return {
            **self.bridge.launch.env,
            **(self.bridge.rehearsal.env if self.small else {}),
            **besides,
            **tree_environment(sandbox.inside(self.mount), self.vocabulary_size),
            "SEED": str(seed),
            "RUN_ID": run_id,
            "MAX_WALLCLOCK_SECONDS": f"{seconds:g}",
        }


def take_over_job(
    script: Script,
    sandbox: Sandbox,
    *,
    seed: int,
    channel: Path,
    log: Path,
    prepare_seconds: float,
    drive: Drive | None = None,
    starting: Callable[[], None] = lambda: None,
) -> Job:
    """A job that runs a script up to its evaluation and answers for its model.

    Its clock is to be begun when all workers have asked for the sealed artifact, which is no mount
    of it; until then it has ``prepare_seconds``. With ``drive`` it is run up to its loop, which is
    driven.

    Raises:
        InfrastructureError: its model cannot be asked.
    """
    ours = upstream_mount()
    shared = Mount(channel, CHANNEL, shared=True)
    run_id = f"score-{seed}"
    settings = settings_of(script.bridge, seed=seed, run_id=run_id, drive=drive)
    python, worker = sandbox.worker_command
    return Job(
        label="score",
        command=(
            *(python, f"{sandbox.inside(ours)}/take_over.py"),
            *("--worker", worker),
            *("--socket", f"{sandbox.inside(shared)}/socket"),
            *("--settings", json.dumps(settings)),
            *("--workers", str(max(1, len(script.accelerators)))),
            *("--device", "cuda" if script.accelerators else "cpu"),
        ),
        environment=script.environment(
            sandbox,
            seed=seed,
            run_id=run_id,
            seconds=prepare_seconds,
            besides=script.bridge.no_train.env,
        ),
        code=Mount(script.code, CODE),
        mounts=(ours, script.mount, shared),
        limits=script.limits,
        wallclock_seconds=prepare_seconds,
        accelerators=script.accelerators,
        log=log,
        starting=starting,
    )


def whole_job(
    script: Script,
    sandbox: Sandbox,
    *,
    seed: int,
    run_id: str,
    steps: int,
    log: Path,
    seconds: float,
    early: EarlySeal | None = None,
    starting: Callable[[], None] = lambda: None,
) -> Job:
    """A job that runs a script from its first line to its last, to try it out.

    It trains ``steps`` steps, without warm-up, where it counts them by the usual setting, and else
    as long as it likes. Its artifact is sealed as in a run that counts. With a stand-in for CUDA no
    matrix of its model begins at zero: so little training would leave it there.
    """
    without = script.bridge.no_train.env
    besides = {name: value for name, value in without.items() if not steps or name == _WARM_UP}
    if steps and _STEPS in without:
        besides[_STEPS] = str(steps)
    return Job(
        label="whole",
        command=launched(
            sandbox,
            on_accelerators(script.bridge.launch.command, script.accelerators),
            work=sandbox.output,
            rehearsal=not script.accelerators,
            lively=True,
        ),
        environment=script.environment(
            sandbox, seed=seed, run_id=run_id, seconds=seconds, besides=besides
        ),
        code=Mount(script.code, CODE),
        mounts=(upstream_mount(), script.mount),
        limits=script.limits,
        wallclock_seconds=seconds,
        accelerators=script.accelerators,
        output=True,
        log=log,
        starting=starting,
        early=early,
    )


def settings_of(
    bridge: Bridge, *, seed: int, run_id: str, drive: Drive | None = None
) -> Mapping[str, object]:
    """What our code inside is told of a bridge, as JSON values.

    Raises:
        InfrastructureError: its model cannot be asked.
    """
    if bridge.artifact is None or bridge.evaluation is None or bridge.logits is None:
        raise InfrastructureError("the bridge does not say how the script's model is asked")
    names = (bridge.artifact.file, *bridge.artifact.others)
    artifact, *others = (_ends_with(name, seed=seed, run_id=run_id) for name in names)
    return {
        "script": bridge.launch.script,
        "arguments": bridge.launch.arguments,
        "how": bridge.launch.how,
        "name": bridge.artifact.file,
        "artifact": artifact,
        "others": others,
        "evaluation": drive.loop if drive else bridge.evaluation.function,
        "model": bridge.evaluation.model,
        "reads": bridge.evaluation.reads,
        "modules": [_module(name) for name in bridge.launch.imports],
        "logits": bridge.logits.model_dump(mode="json"),
        "drive": drive and drive._asdict(),
    }


def _ends_with(name: str, *, seed: int, run_id: str) -> str:
    """A pattern for paths that end in a name of the bridge."""
    return f"(^|/){re.escape(artifact_in_run(name, seed=seed, run_id=run_id))}$"


def _module(name: str) -> str:
    return ".".join(PurePosixPath(name).with_suffix("").parts)
