"""Makes one run, from its first step to its last: what ``harness seed`` does, on any machine.

Every error becomes evidence here: either a failure of the submission or one of ours.
"""

from dataclasses import replace
from pathlib import Path

from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.attempts import Attempts
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step, steps_of
from harness.judge.hopeless import hopeless_by_score
from harness.run.elsewhere import go_on, leave, moves_before
from harness.run.endings import failure_of
from harness.run.launcher.protocol import Task
from harness.run.progress import Progress
from harness.run.steps import DO
from harness.run.workbench import Workbench
from harness.sandbox.protocol import NeverStartedError


def run_task(task: Task, *, data: Path, progress: Progress) -> Run:
    """Make one try of one draw, and keep its evidence after each step.

    Args:
        task: which try of which draw of which verification.
        data: directory of the datasets.
        progress: told of every step.

    Raises:
        UsageError, InfrastructureError: the try could not begin; see :meth:`Workbench.open`. Or it
            cannot go on here: its plan asks again elsewhere.
    """
    with Workbench.open(task, data=data, progress=progress) as opened:
        kept = _Kept(opened)
        bench = replace(opened, code_starts=kept.code_starts)
        for step in steps_of(bench.draw.role):
            run = kept.run
            if not _is_next(step, bench, run) or (step.spared and _spared(bench, kept)):
                continue
            if moves_before(step, bench, run):
                if _left(step, bench, kept):
                    return kept.run
                continue
            bench.announce(run, step)
            _attempt(step, bench, kept)
        kept.write(kept.run.model_copy(update={"ended": True}))
        bench.directory.forget_answers(bench.draw, bench.attempt)
        progress.ended(bench.directory, kept.run)
    return kept.run


def _is_next(step: Step, bench: Workbench, run: Run) -> bool:
    """Whether a run still has a step: it may have made some on another machine."""
    if run.failure is not None or run.step(step.name) is not None:
        return False
    return step.needs <= run.done and step.when(bench.plan, run)


def _left(step: Step, bench: Workbench, kept: "_Kept") -> bool:
    """Whether all was left that another machine needs to go on; else the step has failed."""
    try:
        kept.write(leave(step, bench, kept.run))
    except InfrastructureError as error:
        kept.write(kept.run.plus(StepFacts(name=step.name, failure=failure_of(step, error))))
        return False
    bench.progress.note(f"seed {kept.run.seed}: {step.label}: goes on on another machine")
    return True


class _Kept:
    """The run and its evidence on disk, which always includes the step that has begun."""

    def __init__(self, bench: Workbench) -> None:
        self._directory = bench.directory
        begun = [each for each in bench.directory.tries(bench.draw) if each.waits]
        waiting = next((each for each in begun if each.attempt == bench.attempt), None)
        if waiting is None:
            self.run = bench.begin()
            for attempt in range(1, bench.attempt):  # of those that were killed while asking
                self._directory.forget_answers(bench.draw, attempt)
        else:
            self.write(go_on(bench, waiting))

    def write(self, run: Run) -> None:
        """Store the run in place of its earlier evidence."""
        self._directory.write_run(run)
        self.run = run

    def code_starts(self, step: Step) -> None:
        """Record that the entry's code is started now, if it is the first time in this run.

        If we are killed after this, the try still counts as begun.
        """
        if self.run.began is None:
            self.write(self.run.model_copy(update={"began": step.name}))


def _spared(bench: Workbench, kept: _Kept) -> bool:
    """Whether the score has lost the verification already; written down with the run if so."""
    if kept.run.spared is None and kept.run.step("probe") is None:
        directory, number = bench.directory, bench.draw.number
        before = [each for each in directory.tries(bench.draw) if each.attempt < bench.attempt]
        whole = kept.run.model_copy(update={"ended": True})
        copied = bench.plan.copies is not None
        scored = Attempts([*before, whole], copied=copied).counted or whole
        others = [each for each in directory.runs() if each.draw != number]
        if why := hopeless_by_score(bench.plan, others, scored):
            kept.write(kept.run.model_copy(update={"spared": why}))
            bench.progress.note(f"seed {bench.draw.seed}: not asked again: {why}")
    return kept.run.spared is not None


def _attempt(step: Step, bench: Workbench, kept: _Kept) -> None:
    before = kept.run
    try:
        facts = DO[step.name](step, bench, before)
    except NeverStartedError as error:  # the recorded start did not happen
        kept.run, facts = before, StepFacts(name=step.name, failure=failure_of(step, error))
    except (SubmissionError, InfrastructureError) as error:
        facts = StepFacts(name=step.name, failure=failure_of(step, error))
    kept.write(kept.run.plus(facts))
