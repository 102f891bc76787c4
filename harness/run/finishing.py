"""Finishes verifications: makes what they still want, and judges each as soon as it is over."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError, InfrastructureError
from harness.evidence.integrity import check_kept
from harness.evidence.store import RunDirectory
from harness.judge.next_step import Wanted, next_step
from harness.judge.stored import judge_stored, read_case
from harness.judge.verdict import Verdict
from harness.run.elsewhere import next_task
from harness.run.launcher.protocol import Ended, Task
from harness.run.referee import Judged, Referee
from harness.run.scheduling import run_all
from harness.run.texts import open_texts
from harness.run.workbench import check_texts


def finish(
    directories: Sequence[RunDirectory],
    referee: Referee,
    *,
    confirming: bool = False,
    judged: Callable[[Judged], None] = lambda judged: None,
) -> list[Judged | HarnessError]:
    """Run what each plan still needs, all in one pool, until every plan has its verdict.

    With ``confirming`` what the looks have accepted is confirmed too; else that is left to
    :func:`confirm`, and the verdict says so. Where one of them cannot be finished, its error
    stands in place of its verdict, and the others go on. ``judged`` is called with each verdict
    as soon as it is there.
    """
    works = [_Unfinished(directory, referee, confirming, judged) for directory in directories]
    with _held(works) as held, referee.launcher.open() as pool:
        begun = [work for work in held if work.begin()]
        run_all(begun, pool)
        return [work.conclude() for work in works]


@dataclass
class _Unfinished:
    """A verification that is being finished.

    Attributes:
        directory: of the verification.
        referee: who finishes it.
        confirming: whether what the looks have accepted is confirmed.
        tell: called with its verdict.
        losses: how often our side lost each draw in this call.
        hopeless: numbers of the draws that could not even be started.
        made: whether this call made any run.
        error: why a run could not be started, or why it cannot be finished at all.
        told: whether the reason why nothing more is run was shown.
        judged: its verdict, once nothing more is run.
    """

    directory: RunDirectory
    referee: Referee
    confirming: bool
    tell: Callable[[Judged], None]
    losses: Counter[int] = field(default_factory=Counter)
    hopeless: set[int] = field(default_factory=set)
    made: bool = False
    error: HarnessError | None = None
    told: bool = False
    judged: Judged | None = None

    @property
    def path(self) -> Path:
        """That of its directory."""
        return self.directory.path

    def begin(self) -> bool:
        """Check what is kept, and show what is there; False where that is not to be trusted."""
        plan, referee = self.directory.plan, self.referee
        try:
            check_kept(self.directory)
            check_texts(plan, open_texts(plan.track, referee.data, plan.entry.tokenizer).facts())
        except HarnessError as error:
            self.fail(error)
            return False
        referee.progress.started(self.directory)
        for run in self.directory.runs():
            referee.progress.ended(self.directory, run)
        return True

    def wanted(self, running: frozenset[int], *, most_losses: int) -> Wanted:
        """The draws that the evidence so far asks for."""
        lost = {draw for draw, times in self.losses.items() if times >= most_losses}
        return next_step(
            read_case(self.directory),
            confirming=self.confirming,
            given_up=self.hopeless | lost,
            running=running,
        )

    def task(self, draw: int) -> Task:
        """The next try of a draw, or the rest of one that waits for another machine."""
        return next_task(self.directory, self.directory.plan.draws[draw])

    def take(self, ended: Ended) -> None:
        """Take note of how a task ended."""
        self.made |= ended.run is not None
        self.judged = None
        if ended.error is not None:
            self.hopeless.add(ended.task.draw)
            self.error = ended.error
            self.referee.progress.note(f"a run could not be begun: {ended.error.message}")
        elif ended.run is None or (ended.run.lost and not ended.run.waits):
            self.losses[ended.task.draw] += 1
        if ended.run is not None and not ended.run.waits and not ended.told:
            self.referee.progress.ended(self.directory, ended.run)

    def over(self, why: str) -> None:
        """Judge it; again, where a run has ended that was under way."""
        if why and not self.told:
            self.referee.progress.note(f"nothing more is run: {why}")
        self.told = True
        if self.judged is None and (self.error is None or self.made):
            self.judged = self._judge()

    def fail(self, error: HarnessError) -> None:
        """Keep the reason why it cannot be finished."""
        self.error, self.made = error, False

    def conclude(self) -> Judged | HarnessError:
        """The verdict; if no run was made because none could be started, the error instead."""
        if self.error is not None and not self.made:
            return self.error
        try:
            return self.judged or self._judge()
        except HarnessError as error:
            return error

    def _judge(self) -> Judged:
        verdict: Verdict = judge_stored(self.directory)
        self.directory.write_verdict(verdict)
        judged = Judged(verdict, self.path)
        self.tell(judged)
        return judged


@contextmanager
def _held(works: Sequence[_Unfinished]) -> Iterator[list[_Unfinished]]:
    """Lock what can be locked; what another harness is at fails, and the others go on."""
    with ExitStack() as stack:
        held = []
        for work in works:
            try:
                stack.enter_context(work.directory.lock())
            except InfrastructureError as error:
                work.fail(error)
            else:
                held.append(work)
        yield held
