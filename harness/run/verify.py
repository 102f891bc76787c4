"""The main job: plan, runs, judgment, then another run or a verdict. Resuming is finishing.

Read top to bottom: :func:`begin` fixes the plan, :func:`finish` makes the runs that the judgment
so far still asks for. What happens within a run is ``seed_run.py``; what the evidence means is
``judge/``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.contest.entry import Entry
from harness.contest.track import Track
from harness.errors import InfrastructureError, UsageError
from harness.evidence.earlier import count_earlier, find_open
from harness.evidence.integrity import check_kept, read_files
from harness.evidence.plan import Bar, Plan, PlanRef, Tries
from harness.evidence.store import RunDirectory
from harness.judge.next_step import next_step
from harness.judge.rules.significance import answer_of
from harness.judge.stored import judge_stored, read_case
from harness.judge.verdict import Verdict
from harness.run.disk import check_disk, disk_need_bytes
from harness.run.launcher.protocol import Ended, Launcher, Pool, Task
from harness.run.plan import Wishes, now, plan_for, required_of
from harness.run.progress import Progress
from harness.run.shown import reap
from harness.run.texts import check_window, open_texts
from harness.run.workbench import check_texts
from harness.sandbox.protocol import Sandbox


@dataclass(frozen=True)
class Referee:
    """Who runs the harness, and with what.

    Attributes:
        runs: directory under which evidence is kept.
        data: directory of the datasets.
        sandbox: where untrusted code runs.
        launcher: where runs are made.
        progress: told of everything that happens.
    """

    runs: Path
    data: Path
    sandbox: Sandbox
    launcher: Launcher
    progress: Progress


@dataclass(frozen=True)
class Judged:
    """A verdict, and the directory with the evidence that it follows from."""

    verdict: Verdict
    directory: Path


def verify(
    entry: Entry,
    files: Mapping[str, bytes],
    track: Track,
    referee: Referee,
    *,
    bar: Bar | None = None,
    tries: Tries = Tries(),  # noqa: B008 - immutable
    wishes: Wishes = Wishes(),  # noqa: B008 - immutable
) -> Judged:
    """Run and judge an entry.

    Args:
        entry: what is judged, with the track's own settings applied.
        files: its files by name.
        track: the rules.
        referee: who runs it, and with what.
        bar: the score to beat, where the track takes it from the leaderboard.
        tries: what the leaderboard knows of earlier ones, where the track charges them.
        wishes: the referee's extra wishes.

    Raises:
        StillOpenError: an earlier verification of it is to be finished first.
        SubmissionError: its windows and vocabulary make answers too large to receive.
        InfrastructureError: our side failed before anything could be run, or evidence can't
            be written. A failure within a run is evidence, and makes it INCONCLUSIVE.
    """
    directory = begin(entry, files, track, referee, bar=bar, tries=tries, wishes=wishes)
    return finish([directory], referee)[0]


def begin(
    entry: Entry,
    files: Mapping[str, bytes],
    track: Track,
    referee: Referee,
    *,
    bar: Bar | None,
    tries: Tries,
    wishes: Wishes,
) -> RunDirectory:
    """Fix the plan. After that, nobody has any choice left."""
    stock = open_texts(track, referee.data)
    reap(referee.runs)  # what it frees may be what is needed
    own = entry.tokenizer.kind != "stock"
    check_disk(referee.runs, disk_need_bytes(track, stock.dataset.manifest, own_tokenizer=own))
    if entry.tokenizer.kind == "stock":
        check_window(entry, vocabulary_size=stock.dataset.manifest.vocabulary_size)
    earlier = count_earlier(referee.runs, entry_digest=entry.digest, track_digest=track.digest)
    plan = plan_for(
        entry,
        files,
        track,
        stock.facts(),
        referee.sandbox.prepare(),
        bar=bar,
        tries=tries.model_copy(update={"earlier": earlier}),
        wishes=wishes,
    )
    if not plan.rehearsal and not plan.chosen_by_hand:
        plan = _beside_open_ones(plan, referee.runs, new_draw=wishes.new_draw)
    return RunDirectory.create(referee.runs, plan, files=dict(files))


class StillOpenError(UsageError):
    """A new draw where an earlier verification can be finished, or ended INCONCLUSIVE.

    Args:
        directory: that verification.

    Attributes:
        unconfirmed: whether its looks have accepted, so that only its confirmation is left.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.unconfirmed = _waits_to_be_confirmed(directory)
        super().__init__(
            "this very submission was begun on this track and has no verdict to stand; a plan is "
            "used up, never replaced",
            file=directory.path,
            remedy="confirm it with harness confirm"
            if self.unconfirmed
            else "finish it with --resume",
        )


def _waits_to_be_confirmed(directory: RunDirectory) -> bool:
    """Whether nothing is left but to confirm what was accepted: --resume would run nothing."""
    case = read_case(directory)
    return next_step(case).over and bool(next_step(case, confirming=True).draws)


def _beside_open_ones(plan: Plan, runs: Path, *, new_draw: bool) -> Plan:
    """The plan, which names what it was begun beside; rehearsals prove nothing and bind nobody.

    Raises:
        StillOpenError: something is open, and nobody asked for a new draw.
    """
    found = find_open(runs, entry_digest=plan.entry.digest, track_digest=plan.track_digest)
    open_ones = [each for each in found if each.binds]
    if not open_ones:
        return plan
    if not new_draw:
        raise StillOpenError(open_ones[0])
    names = tuple(each.path.name for each in open_ones)
    return plan.model_copy(update={"tries": plan.tries.model_copy(update={"passed_over": names})})


def rescore(original: RunDirectory, referee: Referee) -> Judged:
    """Score the sealed artifacts of a verification again: the same plan, but training is a copy.

    What our side lost is to be made again, or used up: scored again it would be neither.

    Raises:
        UsageError: it is not finished, or sealed no artifact.
        InfrastructureError: its files or its dataset were changed.
    """
    plan = original.plan
    runs = original.runs()
    done = {run.draw for run in runs if not run.lost}
    case = read_case(original, runs=runs)
    looks, asked = plan.draws_for("look")[: case.runs_needed], plan.draws_for("confirmation")
    missing = [draw for draw in looks if draw.number not in done]
    used_up = case.used_up and not plan.rehearsal
    if missing or used_up or not any(run.artifact for run in runs):
        raise UsageError(
            f"expected evidence of the {len(looks)} seeds that its looks asked for and a sealed "
            f"artifact, found {len(looks) - len(missing)} seed runs; finish it with --resume",
            file=original.path,
        )
    confirmed = any(run.draw in {draw.number for draw in asked} for run in runs)
    if confirmed and case.statistics.accepted and not {draw.number for draw in asked} <= done:
        raise UsageError(
            f"of the {len(asked)} seeds that confirm it some were run and not all",
            file=original.path,
            remedy="finish it with harness confirm",
        )
    check_kept(original)
    check_texts(plan, open_texts(plan.track, referee.data).facts())
    again = plan.model_copy(
        update={
            "created_at": now(),
            "required": required_of(referee.sandbox.prepare()),
            "copies": PlanRef(directory=original.path.name, plan_sha256=original.plan_sha256()),
        }
    )
    files = read_files(original.entry, [file.name for file in plan.entry.files])
    directory = RunDirectory.create(original.path.absolute().parent, again, files=files)
    return finish([directory], referee, confirming=confirmed)[0]


def confirm(directory: RunDirectory, referee: Referee) -> Judged:
    """Run the seeds that confirm what the looks of a verification have accepted, and judge it.

    On whichever host this is, if it is what the plan requires of a host. Every host that holds the
    directory can do it; so the host's own luck is not confirmed with the seeds'.

    Raises:
        UsageError: there is nothing to confirm, or it is a rescoring.
        InfrastructureError: see :func:`verify`.
    """
    case = read_case(directory)
    plan, asked = directory.plan, directory.plan.draws_for("confirmation")
    if plan.copies is not None:
        raise UsageError(
            "it copies what another verification trained, and trains nothing itself",
            file=directory.path,
            remedy=f"confirm {plan.copies.directory}, and rescore it again",
        )
    if not asked:
        raise UsageError("its plan drew no seeds that confirm", file=directory.path)
    if not case.statistics.accepted:
        raise UsageError(
            f"nothing to confirm: {answer_of(case.statistics).detail}",
            file=directory.path,
            remedy="where it is not finished, finish it with harness verify --resume",
        )
    stock, own = open_texts(plan.track, referee.data), plan.entry.tokenizer.kind != "stock"
    manifest = stock.dataset.manifest
    need = disk_need_bytes(plan.track, manifest, own_tokenizer=own, runs=len(asked))
    check_disk(directory.path.absolute().parent, need)
    return finish([directory], referee, confirming=True)[0]


def finish(
    directories: Sequence[RunDirectory], referee: Referee, *, confirming: bool = False
) -> list[Judged]:
    """Run what each plan still needs, all in one pool, until every plan has its verdict.

    With ``confirming`` what the looks have accepted is confirmed too; else that is left to
    :func:`confirm`, and the verdict says so.
    """
    with _held(directories), referee.launcher.open() as pool:
        work = [_Work(directory, confirming) for directory in directories]
        for each in work:
            plan = each.directory.plan
            check_kept(each.directory)
            check_texts(plan, open_texts(plan.track, referee.data).facts())
            referee.progress.started(each.directory)
            for run in each.directory.runs():
                referee.progress.ended(each.directory, run)
            _go_on(pool, each, referee.progress)
        by_path = {each.directory.path: each for each in work}
        for ended in pool:
            each = by_path[ended.task.directory]
            each.take(ended, referee.progress)
            _go_on(pool, each, referee.progress)
        return [each.conclude() for each in work]


@dataclass
class _Work:
    """A verification that is being finished.

    Attributes:
        directory: of the verification.
        confirming: whether what the looks have accepted is confirmed.
        given_up: numbers of the draws whose runs failed on our side in this call.
        made: whether this call made any run.
        error: why a run could not be started.
        told: whether the reason why no more runs follow was shown.
    """

    directory: RunDirectory
    confirming: bool
    given_up: set[int] = field(default_factory=set)
    made: bool = False
    error: InfrastructureError | None = None
    told: bool = False

    def take(self, ended: Ended, progress: Progress) -> None:
        """Take note of how a task ended."""
        if ended.run is None or ended.run.lost:
            self.given_up.add(ended.task.draw)
        if ended.run is not None:
            self.made = True
        elif ended.error is not None:
            self.error = ended.error
            progress.note(f"a run could not be begun: {ended.error.message}")

    def conclude(self) -> Judged:
        """The verdict; if no run was made because none could be started, the error instead."""
        if self.error is not None and not self.made:
            raise self.error
        verdict = judge_stored(self.directory)
        self.directory.write_verdict(verdict)
        return Judged(verdict, self.directory.path)


def _go_on(pool: Pool, work: _Work, progress: Progress) -> None:
    """Start the runs that the evidence so far asks for: preparation, next look, confirmation."""
    directory = work.directory
    running = pool.running(directory.path)
    wanted = next_step(
        read_case(directory),
        confirming=work.confirming,
        given_up=work.given_up,
        running=running,
    )
    if wanted.over:
        pool.cancel(directory.path)
        if wanted.why and not work.told:
            progress.note(f"nothing more is run: {wanted.why}")
        work.told = True
    for draw in wanted.draws:
        if draw.number not in running:
            attempt = directory.attempts(draw) + 1
            pool.start(Task(directory.path, draw.number, attempt=attempt))


@contextmanager
def _held(directories: Sequence[RunDirectory]) -> Iterator[None]:
    with ExitStack() as stack:
        for directory in directories:
            stack.enter_context(directory.lock())
        yield
