"""The whole script on the true split: it prints its score again, and nobody checks that."""

from harness.evidence.results import ClaimedScore
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.run.endings import raised, with_failure
from harness.run.whole_script import run_whole
from harness.run.workbench import Workbench
from harness.upstream.logs.printed import printed_scores
from harness.upstream.logs.scorings import last_final


def reproduce(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Run the script whole with the true split, and read what it printed last."""
    whole = run_whole(step, bench, split="true")
    facts = StepFacts(name=step.name, phases=(whole.phase,), telemetry=whole.telemetry)
    printed = last_final(printed_scores(bench.log(step)))
    # What has printed its last score may still be ended by a library that it leaves behind. Who
    # raises an error may have had another score to print.
    died = whole.phase.outcome == "failed" and not raised(bench.log(step))
    if whole.phase.outcome != "completed" and not (died and printed is not None):
        reached = f"; the last score that it printed was {printed.val_bpb}" if printed else ""
        return with_failure(facts, step.finding, f"{whole.ending}{reached}")
    if printed is None:
        said = "it ran to its end and printed no score that can be read"
        return with_failure(facts, step.finding, said)
    early = whole.phase.early
    result = ClaimedScore(
        val_bpb=printed.val_bpb,
        val_loss=printed.val_loss,
        line=printed.line,
        artifact=early.artifact if early else None,
        sealed_seconds=early.seconds if early and early.artifact else None,
    )
    return facts.model_copy(update={"result": result})
