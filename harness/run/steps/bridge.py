"""Proves that a bridge leads to the model that its script itself scores, before any seed run."""

import shutil
from functools import partial

from harness.contest.entry import Driven
from harness.errors import SubmissionError
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.run.endings import failure_of
from harness.run.workbench import Workbench, bridge_of


def prove_bridge(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Run the script whole on a decoy, take it over with what it left, and compare losses."""
    from harness.run.check_bridge import Check

    bridge = bridge_of(bench.directory)
    place = bench.place.absolute() / "bridge"
    place.mkdir()
    bench.holds.callback(shutil.rmtree, place, ignore_errors=True)
    script, validation = bench.script_on(place / "decoy")
    score = bench.plan.entry.score
    check = Check(
        script=script,
        sandbox=bench.sandbox,
        validation=validation,
        windows=bridge.windows_on(rehearsal=bench.plan.track.rehearsal),
        segment=score.segment if isinstance(score.loader, Driven) else None,
        place=place,
        log=bench.log(step),
        seconds=bench.trial_seconds,
        tick=bench.tick,
        starting=partial(bench.code_starts, step),
    )
    try:
        proof = check.prove()
    except SubmissionError as error:
        return StepFacts(
            name=step.name, phases=tuple(check.phases), failure=failure_of(step, error)
        )
    return StepFacts(name=step.name, phases=tuple(check.phases), result=proof)
