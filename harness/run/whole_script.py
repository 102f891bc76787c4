"""Runs a script in upstream's layout whole: it trains, seals its artifact, and evaluates itself.

Blind, with other text in place of the validation split, where it is to be scored by us; with the
true split where it is to print its claim again. All else is the same, and so are names and paths.
"""

from dataclasses import dataclass
from functools import partial

from harness.contest.entry import artifact_in_run
from harness.evidence.host import TelemetryFacts
from harness.evidence.phase import PhaseFacts
from harness.evidence.results import Shown
from harness.evidence.steps import Step
from harness.run.endings import script_ending
from harness.run.opened import OpenedFiles, opened_files
from harness.run.paths import CODE, DATA
from harness.run.score_job import UNLIMITED_SECONDS
from harness.run.script_job import launched, on_accelerators, upstream_mount
from harness.run.shown_code import startup_of
from harness.run.upstream_tree import Split, Tree, upstream_tree
from harness.run.workbench import TICK_SECONDS, Workbench
from harness.sandbox.protocol import EarlySeal, Job, Mount

_LEAST_SECONDS = 1.0


@dataclass(frozen=True)
class WholeRun:
    """How a whole run went.

    The phase says what was sealed while it ran; ``ending`` how it ended, with its last line.
    ``opened``: how many of the train shards that were made for it it opened, if that is known.
    """

    phase: PhaseFacts
    telemetry: TelemetryFacts
    shown: Shown | None
    opened: int | None
    ending: str


def run_whole(step: Step, bench: Workbench, *, split: Split) -> WholeRun:
    """Run the entry's script from its first line to its last; its artifact is kept with the try.

    Args:
        step: gives log and limit.
        bench: of the run.
        split: what lies in place of the validation split.

    Raises:
        SubmissionError: it could not be started for a reason of theirs.
        InfrastructureError: our side failed.
    """
    with (
        upstream_tree(
            bench.plan,
            bench.texts.scored,
            seed=bench.draw.seed,
            split=split,
            beside=bench.directory.path,
            note=bench.progress.note,
        ) as tree,
        opened_files(tree.made) as opened,
        bench.sandbox.start(_job(step, bench, tree, opened)) as running,
        bench.telemetry(step, running) as telemetry,
    ):
        while (phase := running.wait(TICK_SECONDS)) is None:
            bench.tick(running)
        return WholeRun(
            phase=phase,
            telemetry=telemetry.finish(),
            shown=tree.shown,
            opened=opened.finish(),
            ending=script_ending(bench.log(step), phase, running),
        )


def _job(step: Step, bench: Workbench, tree: Tree, opened: OpenedFiles) -> Job:
    sandbox, plan = bench.sandbox, bench.plan
    train, seed = plan.entry.train, bench.draw.seed
    run_id = f"seed-{seed}"
    data = Mount(tree.root, DATA, shared=True)
    command = on_accelerators(train.command, bench.accelerators)
    budget = plan.track.budget.train_seconds
    clock = {}
    if budget is not None:
        budget *= plan.time_scale
        # Its own clock starts later than ours.
        left = max(_LEAST_SECONDS, budget - startup_of(bench.directory))
        clock = {"MAX_WALLCLOCK_SECONDS": f"{left:.1f}"}
    artifact = artifact_in_run(train.artifact, seed=seed, run_id=run_id)
    destination = bench.place / "artifact" / artifact
    destination.parent.mkdir(parents=True, exist_ok=True)
    return Job(
        label=step.name,
        output=True,
        command=launched(sandbox, command, work=sandbox.output, rehearsal=not bench.accelerators),
        environment={
            **train.environment,
            **tree.environment(sandbox.inside(data)),
            **clock,
            "SEED": str(seed),
            "RUN_ID": run_id,
        },
        code=Mount(bench.code, CODE),
        mounts=(data, upstream_mount()),
        limits=plan.track.sandbox,
        wallclock_seconds=step.limit(plan) or UNLIMITED_SECONDS,
        accelerators=bench.accelerators,
        log=bench.log(step),
        starting=opened.before(partial(bench.code_starts, step)),
        early=EarlySeal(
            name=artifact,
            destination=destination,
            seconds=budget if budget is not None else UNLIMITED_SECONDS,
            limit_bytes=plan.track.sandbox.output_bytes,
        ),
    )
