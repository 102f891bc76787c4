"""What a node does for a task: look whether it is as planned, make the run, write down the end."""

import os
from pathlib import Path

from harness.errors import HarnessError, InfrastructureError
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.run.launcher import desk
from harness.run.launcher.desk import Outcome, Record
from harness.run.launcher.registry import VARIABLE
from harness.run.progress import Progress
from harness.run.seed_run import run_task
from harness.run.workbench import host_name
from harness.safeio.locks import BusyError

_LONGEST = 2000


def work(record: Record, progress: Progress) -> Run | None:
    """Do what an order says; None where its end was written down before it began.

    Raises:
        UsageError, InfrastructureError: the try could not begin here, or could not be written
            down; the order's end says why, as far as it can be written.
    """
    if desk.outcome_of(record) is not None:
        return None
    desk.draw_of(record, RunDirectory.open(record.directory))
    os.environ[VARIABLE] = record.order.launcher
    node = host_name()
    desk.begin(record, node)
    try:
        run = run_task(record.task, data=Path(record.order.data), progress=progress)
    except HarnessError as error:
        desk.close(record, Outcome(how=_how(record, error), node=node, why=str(error)[:_LONGEST]))
        raise
    desk.close(record, Outcome(how="done", node=node))
    return run


def _how(record: Record, error: HarnessError) -> desk.How:
    """Whether the node is to blame, somebody else is at it, or the try was lost.

    One that waits for another machine is not lost by a node that refuses to go on with it.
    """
    if isinstance(error, BusyError):
        return "busy"
    directory = RunDirectory.open(record.directory)
    draw = desk.draw_of(record, directory)
    attempt = record.order.attempt
    waits = any(run.waits for run in directory.tries(draw) if run.attempt == attempt)
    begun = directory.try_directory(draw, attempt).exists() and not waits
    return "lost" if begun or not isinstance(error, InfrastructureError) else "refused"
