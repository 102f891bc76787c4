"""Reads the exhibits of a verification from its run directory, within bounds."""

from pathlib import Path, PurePath

from harness.errors import UsageError
from harness.evidence.host import TelemetryFacts
from harness.evidence.plan import Plan
from harness.evidence.results import Trained
from harness.evidence.run import Run
from harness.evidence.step_names import StepName
from harness.evidence.steps import step_of
from harness.evidence.store import RunDirectory
from harness.judge.stored import judge_stored
from harness.judge.verdict_file import read_verdict
from harness.report.exhibits.course import stretches
from harness.report.exhibits.inspected import read_inspection
from harness.report.exhibits.model import (
    MOST_RUNS,
    Exhibits,
    OpenedShards,
    RunExhibit,
    StepTelemetry,
    Tolerances,
    Weights,
)
from harness.report.exhibits.telemetry_curve import (
    busy_seconds,
    kept_curves,
    kilojoules,
    telemetry_curve,
)
from harness.report.exhibits.training_log import training_curve
from harness.report.exhibits.weights import weights_of
from harness.report.shown import Shown


def read_shown(path: Path, *, inspection: Path | None = None) -> Shown:
    """What there is to draw of a run directory, judged again as it is read, or of a verdict's file.

    Args:
        path: of either.
        inspection: what ``harness inspect --json`` kept of the run directory.

    Raises:
        UsageError: neither, or damaged; an inspection of something else.
        InfrastructureError: a file beside the evidence is not the one that it describes.
    """
    if not path.is_dir():
        if inspection is not None:
            raise UsageError("an inspection belongs to a run directory", file=path)
        return Shown(read_verdict(path).verdict)
    directory = RunDirectory.open(path)
    exhibits = read_exhibits(directory)
    if inspection is not None:
        sizes = (run.artifact.bytes for run in directory.runs() if run.artifact is not None)
        inspected = read_inspection(inspection, artifact_bytes=next(sizes, None))
        exhibits = exhibits.model_copy(update={"inspected": inspected})
    return Shown(judge_stored(directory), exhibits)


def read_exhibits(directory: RunDirectory) -> Exhibits:
    """What can be shown of a run directory besides its verdict; reads, and runs nothing.

    Raises:
        UsageError: evidence is damaged.
    """
    plan, runs = directory.plan, directory.runs()
    allowed, train, score = plan.track.probes, step_of("train"), step_of("score")
    return Exhibits(
        runs=tuple(_of_run(directory, run) for run in runs[:MOST_RUNS]),
        left_out=max(len(runs) - MOST_RUNS, 0),
        tolerances=Tolerances(
            largest_change_nats=allowed.largest_change_nats,
            mean_change_nats=allowed.mean_change_nats,
            mean_gain_nats=allowed.bound.tolerance_nats
            if allowed.bound
            else allowed.mean_gain_nats,
        ),
        train_limit_seconds=train.limit(plan),
        score_limit_seconds=score.limit(plan),
    )


def _of_run(directory: RunDirectory, run: Run) -> RunExhibit:
    plan: Plan = directory.plan
    place = PurePath(directory.directory_of(run).relative_to(directory.path))
    log = step_of("train" if run.role == "seed" else "reproduce").log
    found: Weights | str = ""
    if run.artifact is not None:
        found = weights_of(directory, place / "artifact" / run.artifact.name)
    return RunExhibit(
        seed=run.seed,
        role=run.role,
        purpose=plan.draws[run.draw].purpose,
        attempt=run.attempt,
        stretches=stretches(run, plan),
        training=training_curve(directory, place / log) if log else (),
        spread=run.spread,
        weights=found if isinstance(found, Weights) else None,
        weights_why=found if isinstance(found, str) else "",
        telemetry=tuple(
            _watched(place, directory, facts.name, facts.telemetry)
            for facts in run.steps
            if facts.telemetry is not None and (facts.telemetry.samples or facts.telemetry.missing)
        ),
        opened=_opened(run),
        probes=run.probes,
        recall=run.recall,
    )


def _opened(run: Run) -> OpenedShards | None:
    found = run.result("train", Trained)
    if found is None or found.shown is None or found.opened is None:
        return None
    return OpenedShards(opened=found.opened, files=found.shown.files)


def _watched(
    place: PurePath, directory: RunDirectory, name: StepName, facts: TelemetryFacts
) -> StepTelemetry:
    step = step_of(name)
    curves = None
    if name == "train" and facts.file_sha256 is not None:
        curves = kept_curves(directory, place / step.telemetry_file, sha256=facts.file_sha256)
    if curves is None:
        return StepTelemetry(step=step.label, facts=facts)
    return StepTelemetry(
        step=step.label,
        facts=facts,
        curve=telemetry_curve(curves),
        busy_seconds=busy_seconds(curves),
        kilojoules=kilojoules(curves),
    )
