"""One run, from its first step to its last: what ``harness seed`` does, on any machine.

Whatever goes wrong becomes evidence here: either a failure of the submission or one of ours.
"""

from pathlib import Path

from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step, steps_of
from harness.run.endings import failure_of
from harness.run.launcher.protocol import Task
from harness.run.progress import Progress
from harness.run.steps import DO
from harness.run.workbench import Workbench


def run_task(task: Task, *, data: Path, progress: Progress) -> Run:
    """Make one try of one draw, and keep its evidence after each step.

    Args:
        task: which try of which draw of which verification.
        data: directory of the datasets.
        progress: told of every step.

    Raises:
        UsageError, InfrastructureError: the try could not be begun; see :meth:`Workbench.open`.
    """
    with Workbench.open(task, data=data, progress=progress) as bench:
        run = bench.begin()
        for step in steps_of(run.role):
            if run.failure is None and step.needs <= run.done and step.when(bench.plan, run):
                bench.announce(run, step)
                run = run.plus(_attempt(step, bench, run))
                bench.directory.write_run(run)
        run = run.model_copy(update={"ended": True})
        bench.directory.write_run(run)
        progress.ended(bench.directory, run)
    return run


def _attempt(step: Step, bench: Workbench, run: Run) -> StepFacts:
    try:
        return DO[step.name](step, bench, run)
    except (SubmissionError, InfrastructureError) as error:
        return StepFacts(name=step.name, failure=failure_of(step, error))
