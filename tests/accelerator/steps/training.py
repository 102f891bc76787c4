"""Real training of one submission: its own command, our clock, the order of data drawn by us."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath
from typing import Any

from tests.accelerator.desk import Desk
from tests.accelerator.recipe import Recipe, read_recipe
from tests.accelerator.steps.text import SEED, VOCABULARY
from tests.accelerator.watch import Watch

_SLACK_SECONDS = 15.0
_STEP = re.compile(
    r"step:(\d+)/\d+ (?:train_loss:([\d.naif-]+) )?(?:stopping:\w+ )?train_time:([\d.]+)ms"
)
_DEVICE = re.compile(r"world_size:(\d+) .*device:(\w+)")
_BATCH = re.compile(r"train_batch_tokens:(\d+)")
_WARM_UP = re.compile(r"warmup_step:(\d+)/")
_PACKED = re.compile(r"quantised \S+: (\d+) bytes")
_LEFT = re.compile(r"serialised model\.bin: budget_left:(-?[\d.]+)s")
_STAMPED = re.compile(r"\s*(\d+\.\d+) (.*)")


def run(desk: Desk) -> None:
    """Train; keep artifact and checkpoint, and what the log tells."""
    recipe = read_recipe(desk)
    seconds = float(desk.arguments["seconds"])
    desk.tell("budget_seconds", round(seconds, 1))
    desk.artifacts.mkdir(parents=True)
    log = desk.folder / "logs" / f"train-{recipe.name}.log"
    log.parent.mkdir(exist_ok=True)
    try:
        from tests.accelerator import phases
    except ModuleNotFoundError as error:
        desk.cannot("training in the process sandbox", f"the package {error.name} is missing")
        ended = _plainly(desk, recipe, log, seconds)
    else:
        ended = _in_sandbox(desk, recipe, log, seconds, phases.launcher)
    desk.tell("ended", ended)
    for name, value in read_log(log).items():
        desk.tell(name, value)
    artifact = desk.artifacts / "model.bin"
    if not artifact.is_file():
        tail = log.read_text(errors="replace").splitlines()[-12:] if log.is_file() else []
        raise SystemExit("no artifact; the log ends:\n" + "\n".join(tail))
    desk.tell("artifact_bytes", artifact.stat().st_size)
    code = sum((recipe.folder / name).stat().st_size for name in _counted(recipe))
    desk.tell("code_bytes", code)


def _counted(recipe: Recipe) -> list[str]:
    import tomllib

    table = tomllib.loads((recipe.folder / "submission.toml").read_text(encoding="utf-8"))
    return ["submission.toml", *table["code"]["files"]]


def _environment(desk: Desk, recipe: Recipe, *, output: str, seconds: float) -> dict[str, str]:
    # Recipes with one model need not compile it each; the first of them starts from nothing.
    cache = desk.folder / "cache"
    shared = {
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "TRITON_CACHE_DIR": str(cache / "triton"),
    }
    return {
        **recipe.environment,
        **desk.environment(),
        **shared,
        "SEED": str(SEED),
        "DATA_PATH": str(desk.folder / "train"),
        "TOKENIZER_PATH": str(desk.folder / "none"),
        "VOCAB_SIZE": str(VOCABULARY),
        "OUTPUT_DIR": output,
        "MAX_WALLCLOCK_SECONDS": f"{seconds:g}",
        "RUN_ID": "accelerator",
    }


def _in_sandbox(desk: Desk, recipe: Recipe, log: Path, seconds: float, launcher: Any) -> str:
    from harness.contest.track import load_track
    from harness.errors import HarnessError
    from harness.sandbox.process.sandbox import ProcessSandbox
    from harness.sandbox.protocol import Job, Mount

    sandbox = ProcessSandbox()
    job = Job(
        label="train",
        output=True,
        command=launcher(recipe.command, len(desk.devices)),
        environment=_environment(desk, recipe, output=sandbox.output, seconds=seconds),
        start_variable="WALLCLOCK_STARTED_AT",
        code=Mount(recipe.folder, PurePosixPath("/submission")),
        mounts=(),
        limits=load_track("smoke" if desk.size.smoke else "10min_16mb").sandbox,
        wallclock_seconds=seconds + _SLACK_SECONDS,
        accelerators=desk.devices,
        log=log,
    )
    with sandbox.start(job) as running, Watch(desk.devices) as watch:
        while (facts := running.wait(0.5)) is None:
            desk.tell("last_line", running.last_line)
        desk.tell("watched", watch.figures)
        desk.tell("wallclock_seconds", round(facts.wallclock_seconds, 2))
        desk.tell("within_budget", facts.wallclock_seconds <= seconds)
        for name in ("model.bin", "checkpoint.bin"):
            try:
                running.seal(name, desk.artifacts / name, limit_bytes=job.limits.output_bytes)
            except HarnessError as error:
                desk.cannot(f"sealing {name}", str(error))
        return f"{facts.outcome}, exit code {facts.exit_code}"


def _plainly(desk: Desk, recipe: Recipe, log: Path, seconds: float) -> str:
    """The same without the harness: a child process, whose lines get their times from us."""
    import os

    output = desk.folder / "output" / recipe.name
    output.mkdir(parents=True)
    command = tuple(
        word.replace("{accelerators}", str(max(1, len(desk.devices)))) for word in recipe.command
    )
    if command[0] == "torchrun":
        command = (sys.executable, "-m", "torch.distributed.run", *command[1:])
    elif command[0] == "python":
        command = (sys.executable, *command[1:])
    began, started = time.monotonic(), {"WALLCLOCK_STARTED_AT": f"{time.time():.3f}"}
    # The packages that a step has, but not this repository.
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        command, cwd=recipe.folder, text=True, errors="replace",
        env={**inherited, **_environment(desk, recipe, output=str(output), seconds=seconds),
             **started, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    with log.open("w") as file, Watch(desk.devices) as watch:
        for line in process.stdout:
            file.write(f"{time.monotonic() - began:9.3f} {line}")
        desk.tell("watched", watch.figures)
    code = process.wait()
    spent = time.monotonic() - began
    desk.tell("wallclock_seconds", round(spent, 2))
    desk.tell("within_budget", spent <= seconds)
    for path in output.glob("*.bin"):
        shutil.move(path, desk.artifacts / path.name)
    return f"exit code {code}"


def read_log(log: Path) -> dict[str, Any]:
    """What a log with time stamps tells of start-up, compilation, speed, loss and size.

    Information from the submission itself, like all that a log says; our clock is beside it.
    """
    found: dict[str, Any] = {}
    steps: list[tuple[int, float | None, float]] = []
    batch, before, warmed = 0, 0.0, 0
    for text in log.read_text(errors="replace").splitlines() if log.is_file() else []:
        stamped = _STAMPED.match(text)
        if stamped is None:
            continue
        stamp, line = float(stamped[1]), stamped[2]
        if match := _BATCH.match(line):
            batch = int(match[1])
        elif match := _DEVICE.match(line):
            found["trained_on"] = f"{match[1]} x {match[2]}"
        elif match := _WARM_UP.match(line):
            warmed = int(match[1])
            found.setdefault("start_seconds", round(before, 2))
            # Its line comes after the work, which is compilation but for one step.
            found.setdefault("compile_seconds", round(stamp - before, 2))
        elif match := _STEP.match(line):
            found.setdefault("start_seconds", round(before, 2))
            loss = float(match[2]) if match[2] else None
            steps.append((int(match[1]), loss, float(match[3]) / 1000))
        elif match := _PACKED.match(line):
            found["packed_bytes"] = int(match[1])
        elif match := _LEFT.match(line):
            found["budget_left_seconds"] = float(match[1])
        before = stamp
    if steps:
        count, _, spent = steps[-1]
        losses = [loss for _, loss, _ in steps if loss is not None]
        found |= {"steps": count, "warm_up_steps": warmed, "batch_tokens": batch}
        if spent > 0:
            found["steps_a_second"] = round(count / spent, 3)
            found["tokens_a_second"] = round(count * batch / spent)
        if losses:
            found["first_loss"], found["last_loss"] = losses[0], losses[-1]
            found["loss_fell"] = losses[-1] < losses[0]
    return found
