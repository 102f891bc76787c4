"""Three scorings: the validation split, the unpublished documents, the unquantized weights."""

from harness.errors import InfrastructureError
from harness.evidence.asked_again import Probes, Recall
from harness.evidence.results import Scores
from harness.evidence.run import Failure, Run, StepFacts
from harness.evidence.steps import Step
from harness.models import Finding
from harness.run.endings import failure_of
from harness.run.score_phase import Sealed
from harness.run.scoring_session import Answered, ScoringSession
from harness.run.workbench import Workbench


def score(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Score every validation target with the model loaded from the sealed artifact."""
    return _scored(step, bench, bench.session, sealed(bench, run), probed=True)


def holdout(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Score the artifact on the track's unpublished documents too."""
    facts = _scored(step, bench, bench.holdout_session, sealed(bench, run), probed=True)
    if facts.result is None and facts.failure is None:
        # The budget is that of the validation split; this set may be larger.
        raise InfrastructureError(
            "no time was left to score the unpublished documents",
            remedy="resume, or let the track name a smaller set",
        )
    return facts


def unquantized(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Score the weights before quantization: for information only, no rule uses it."""
    assert run.checkpoint is not None  # noqa: S101 - the step is there where a run left one
    checkpoint = Sealed(bench.directory.checkpoint(run), run.checkpoint.sha256)
    facts = _scored(step, bench, bench.session, checkpoint, probed=False)
    if facts.failure is not None:
        reason = facts.failure.reason
        bench.progress.note(f"seed {run.seed}: the checkpoint was not scored: {reason}")
    return facts


def sealed(bench: Workbench, run: Run) -> Sealed:
    """The sealed artifact of a run that has one."""
    assert run.artifact is not None  # noqa: S101 - steps that score follow the sealing
    return Sealed(bench.directory.artifact(run), run.artifact.sha256)


def _scored(
    step: Step, bench: Workbench, session: ScoringSession, file: Sealed, *, probed: bool
) -> StepFacts:
    documents = bench.place / (step.documents_file or "")
    answered = session.score(file, step=step, documents=documents, probed=probed)
    return facts_of(step, answered)


def facts_of(
    step: Step, answered: Answered[Scores] | Answered[Probes] | Answered[Recall]
) -> StepFacts:
    """What a score phase left, as evidence."""
    failure = None
    if answered.violation:
        finding = Finding(id=step.finding, status="fail", detail=answered.violation)
        failure = Failure(fault="submission", finding=finding)
    elif answered.lost:
        failure = failure_of(step, answered.lost)
    return StepFacts(
        name=step.name,
        phases=(answered.phase,),
        telemetry=answered.telemetry,
        result=answered.result,
        failure=failure,
    )
