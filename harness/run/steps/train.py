"""Training in a sandbox of its own, then sealing of the artifact."""

import shutil
from functools import partial
from pathlib import Path, PurePosixPath

from harness.errors import InfrastructureError
from harness.evidence.integrity import check_run
from harness.evidence.phase import PhaseFacts
from harness.evidence.results import ArtifactFacts, Trained
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.run.endings import ending, failure_of, with_failure
from harness.run.opened import OpenedFiles, opened_files
from harness.run.paths import CODE, DATA, TOKENIZER
from harness.run.score_job import UNLIMITED_SECONDS
from harness.run.script_job import on_accelerators
from harness.run.shown import TrainShards, train_shards
from harness.run.whole_script import run_whole
from harness.run.workbench import TICK_SECONDS, Workbench, original_of
from harness.safeio.files import disk_errors
from harness.sandbox.protocol import ArtifactError, Job, Mount, Running
from harness.upstream.logs.timeline import timeline


def train(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Train with the draw's seed and seal the artifact; to rescore, copy the sealed one instead."""
    if bench.plan.copies is not None:
        return _copied(bench, run)
    if bench.plan.entry.layout == "upstream":
        return _blind(step, bench)
    with (
        train_shards(
            bench.plan,
            bench.texts.scored,
            seed=bench.draw.seed,
            beside=bench.directory.path,
            note=bench.progress.note,
        ) as shards,
        opened_files(shards.made) as opened,
        bench.sandbox.start(_job(step, bench, shards, opened)) as running,
        bench.telemetry(step, running) as telemetry,
    ):
        phase = _wait(running, bench)
        spans = timeline(bench.log(step), total_seconds=phase.wallclock_seconds)
        result = Trained(timeline=spans, shown=shards.shown, opened=opened.finish())
        facts = StepFacts(
            name=step.name, phases=(phase,), telemetry=telemetry.finish(), result=result
        )
        if phase.outcome == "deadline":
            return facts
        if phase.outcome != "completed":
            return with_failure(facts, step.finding, ending(phase, running))
        try:
            artifact = _sealed(bench, running, "artifact", bench.plan.entry.train.artifact)
            sealed = {"artifact": artifact, "checkpoint": _checkpoint(bench, running)}
        except (ArtifactError, InfrastructureError) as error:
            return facts.model_copy(update={"failure": failure_of(step, error)})
        return facts.model_copy(update={"result": result.model_copy(update=sealed)})


def _blind(step: Step, bench: Workbench) -> StepFacts:
    """A script in upstream's layout: whole, with other text in place of the validation split."""
    whole = run_whole(step, bench, split="decoy")
    phase, early = whole.phase, whole.phase.early
    spans = timeline(bench.log(step), total_seconds=phase.wallclock_seconds)
    artifact = early.artifact if early else None
    result = Trained(artifact=artifact, timeline=spans, shown=whole.shown, opened=whole.opened)
    facts = StepFacts(name=step.name, phases=(phase,), telemetry=whole.telemetry, result=result)
    if artifact is not None or phase.outcome == "deadline":
        return facts  # what it does after its artifact was sealed is its evaluation
    if phase.outcome != "completed":
        return with_failure(facts, step.finding, whole.ending)
    left = early.problem if early and early.problem else "nothing that could be sealed"
    return with_failure(facts, "artifact", f"the script ended with exit code 0, and left {left}")


def _wait(running: Running, bench: Workbench) -> PhaseFacts:
    while (facts := running.wait(TICK_SECONDS)) is None:
        bench.tick(running)
    return facts


def _job(step: Step, bench: Workbench, shards: TrainShards, opened: OpenedFiles) -> Job:
    """The training phase: its code, the train shards, the tokenizer, the contract's variables."""
    sandbox, dataset, plan = bench.sandbox, bench.texts.scored, bench.plan
    limit = step.limit(plan) or UNLIMITED_SECONDS
    data = Mount(shards.directory, DATA, shared=True)
    tokenizer = Mount(dataset.tokenizer_path.parent, TOKENIZER)
    return Job(
        label="train",
        output=True,
        command=on_accelerators(plan.entry.train.command, bench.accelerators),
        environment={
            **plan.entry.train.environment,
            "SEED": str(bench.draw.seed),
            "DATA_PATH": sandbox.inside(data),
            "TOKENIZER_PATH": f"{sandbox.inside(tokenizer)}/{dataset.tokenizer_path.name}",
            "VOCAB_SIZE": str(dataset.manifest.vocabulary_size),
            "OUTPUT_DIR": sandbox.output,
            "MAX_WALLCLOCK_SECONDS": f"{limit:g}",
            "RUN_ID": f"seed-{bench.draw.seed}",
        },
        start_variable="WALLCLOCK_STARTED_AT",
        code=Mount(bench.code, CODE),
        mounts=(data, tokenizer),
        limits=plan.track.sandbox,
        wallclock_seconds=limit,
        accelerators=bench.accelerators,
        log=bench.log(step),
        starting=opened.before(partial(bench.code_starts, step)),
    )


def _sealed(bench: Workbench, running: Running, folder: str, name: str) -> ArtifactFacts:
    limit = bench.plan.track.sandbox.output_bytes
    return running.seal(name, bench.place / folder / name, limit_bytes=limit)


def _checkpoint(bench: Workbench, running: Running) -> ArtifactFacts | None:
    """The unquantized weights, if the training left any. Not counted, and never required."""
    name = bench.plan.entry.train.checkpoint
    if name is None:
        return None
    try:
        return _sealed(bench, running, "checkpoint", name)
    except ArtifactError as error:
        bench.progress.note(f"seed {bench.draw.seed}: no checkpoint: {error}")
        return None


def _copied(bench: Workbench, run: Run) -> StepFacts:
    """The training of another verification, with the files that it sealed."""
    original = original_of(bench.directory)
    before = original.counted(original.plan.draws[run.draw])
    facts = before.step("train") if before is not None else None
    if before is None or facts is None:
        raise InfrastructureError(
            f"no training with seed {run.seed} to copy",
            file=original.path,
            remedy="finish it first",
        )
    check_run(original, before)
    if before.artifact is not None:
        _copy(original.artifact(before), bench.place / "artifact")
    if before.checkpoint is not None:
        _copy(original.checkpoint(before), bench.place / "checkpoint")
    if facts.telemetry is not None and facts.telemetry.file_sha256 is not None:
        _copy(original.telemetry(before, "train"), bench.place)
    return facts


def _copy(source: Path, folder: Path) -> None:
    target = folder / PurePosixPath(source.name)
    with disk_errors(target):
        shutil.copyfile(source, target, follow_symlinks=False)
        target.chmod(0o644)
