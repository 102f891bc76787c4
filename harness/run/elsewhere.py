"""A run that goes on on another machine, before it is asked again what was scored on this one.

Caches of a kernel, of processors and of devices end with the machine. So where a plan asks again
elsewhere, the sandbox that is asked shares nothing with the one that was shown the whole split: all
that goes along is code, artifact and, in our own hands alone, the answers. Machines are told apart
by the names that the referee gives them (``HARNESS_NODE``).
"""

from harness.errors import InfrastructureError
from harness.evidence.draws import Draw
from harness.evidence.run import Move, Run
from harness.evidence.steps import Step
from harness.evidence.store import RunDirectory
from harness.run.launcher.protocol import Task
from harness.run.scoring_session import ScoringSession
from harness.run.workbench import Workbench


def moves_before(step: Step, bench: Workbench, run: Run) -> bool:
    """Whether a step must not be made here, because what it asks again was scored here."""
    scored = step.asks_again
    if not bench.plan.elsewhere or scored is None:
        return False
    return run.host_of(scored).node == bench.host.node


def leave(step: Step, bench: Workbench, run: Run) -> Run:
    """Write down the answers that ``step`` asks for again; the run, which waits to go on with it.

    Raises:
        InfrastructureError: the disk failed.
    """
    scored = step.asks_again
    assert scored is not None  # noqa: S101 - see moves_before
    sha256 = _session(step, bench).leave_answers(bench.directory.answers(run, scored))
    move = Move(step=step.name, answers_sha256=sha256)
    return run.model_copy(update={"moves": (*(run.moves or ()), move)})


def go_on(bench: Workbench, run: Run) -> Run:
    """The run, which goes on here from now on.

    Raises:
        InfrastructureError: this is the machine that it is to leave.
    """
    assert run.moves is not None  # noqa: S101 - it waits
    left = run.hosts[-1].node
    if bench.host.node == left:
        here = f"this machine ({left})" if left else "this machine, which has no name"
        raise InfrastructureError(
            f"its plan asks again on another machine than the one that scored, and {here} did",
            remedy="resume with the launcher, or run `harness seed` of it on another machine, "
            "whose HARNESS_NODE names it",
        )
    last = run.moves[-1].model_copy(update={"host": bench.host})
    return run.model_copy(update={"moves": (*run.moves[:-1], last)})


def session_of(step: Step, bench: Workbench, run: Run) -> ScoringSession:
    """What asks again: it has scored before, or it holds the answers that came along.

    Raises:
        InfrastructureError: they are missing, or were changed.
    """
    session, scored = _session(step, bench), step.asks_again
    assert scored is not None  # noqa: S101 - of steps that ask again
    if not session.has_answers:
        move = next(m for m in reversed(run.moves or ()) if m.host is not None)
        scores = run.scores if scored == "score" else run.holdout
        assert scores is not None  # noqa: S101 - a step that asks again follows its scoring
        file = bench.directory.answers(run, scored)
        session.take_answers(file, sha256=move.answers_sha256, scores=scores)
    return session


def next_task(directory: RunDirectory, draw: Draw) -> Task:
    """What is to be made next of a draw: the rest of a try that waits, or another try."""
    attempts, waiting = directory.attempts(draw), directory.waiting(draw)
    if waiting is not None and waiting.attempt == attempts:
        moves = len(waiting.moves or ())
        node = waiting.hosts[-1].node
        return Task(directory.path, draw.number, attempts, moves=moves, not_on=node)
    return Task(directory.path, draw.number, attempts + 1)


def _session(step: Step, bench: Workbench) -> ScoringSession:
    return bench.session if step.asks_again == "score" else bench.holdout_session
