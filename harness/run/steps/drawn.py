"""Runs a script's own evaluation on drawn texts, where its score can only be printed again."""

import shutil
from functools import partial
from pathlib import Path

from harness.errors import SubmissionError
from harness.evidence.draws import DRAWN_TEXT
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step, step_of
from harness.run.endings import failure_of
from harness.run.script_job import Script
from harness.run.small_tree import Rewrite
from harness.run.workbench import Workbench


def evaluate_on_drawn(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Run the script whole twice, each time on another text in place of its split."""
    from harness.run.own_evaluation import Evaluations, Texts, letters_for
    from harness.run.trying import first_of_joined

    place = bench.place.absolute() / "own"
    place.mkdir()
    bench.holds.callback(shutil.rmtree, place, ignore_errors=True)
    dataset = bench.texts.scored.manifest
    size = dataset.vocabulary_size
    texts = Texts(
        secret=DRAWN_TEXT.of(bench.plan.nonce),
        size=size,
        bos=dataset.bos_id,
        alphabet=letters_for(bench.plan.entry, size=size),
    )
    evaluations = Evaluations(
        script_on=partial(_script_on, bench),
        sandbox=bench.sandbox,
        place=place,
        log=bench.log(step),
        seconds=bench.trial_seconds,
        tick=bench.tick,
        starting=partial(bench.code_starts, step),
    )
    try:
        found = evaluations.compare(texts, first_of_joined(bench.log(step_of("bridge"))))
    except SubmissionError as error:
        failure = failure_of(step, error)
        return StepFacts(name=step.name, phases=tuple(evaluations.phases), failure=failure)
    return StepFacts(name=step.name, phases=tuple(evaluations.phases), result=found)


def _script_on(bench: Workbench, data: Path, rewrite: Rewrite) -> Script:
    return bench.script_on(data, rewrite=rewrite)[0]
