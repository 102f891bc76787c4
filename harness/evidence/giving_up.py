"""Takes a try for lost that no harness works on any more."""

import contextlib

from harness.evidence.draws import Draw
from harness.evidence.places import EVIDENCE
from harness.evidence.store import RunDirectory
from harness.safeio.locks import BusyError
from harness.safeio.looking import is_there

_LONGEST = 1000


def give_up(directory: RunDirectory, draw: Draw, attempt: int, why: str) -> None:
    """Take a try for lost, so that no harness goes on with it that comes back later.

    A try that never began gets its directory: whoever comes late to it finds it begun. One that
    ended stays as it is, and so does one that waits for another machine: nothing of it is lost.
    The lock of the draw is held meanwhile, so nobody works on it.

    Raises:
        BusyError: a harness holds the draw, so nothing is lost yet.
        InfrastructureError: the disk failed.
    """
    with directory.hold(draw):
        with contextlib.suppress(BusyError):  # it had begun
            directory.begin_try(draw, attempt)
        if not is_there(directory.try_directory(draw, attempt) / EVIDENCE):
            return
        run = next(each for each in directory.tries(draw) if each.attempt == attempt)
        if not run.ended and not run.waits and run.given_up is None:
            directory.write_run(run.model_copy(update={"given_up": why[:_LONGEST]}))
            directory.forget_answers(draw, attempt)
