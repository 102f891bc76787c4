"""Reads a stored verification into a case, and judges it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from harness.contest.track import Track
from harness.errors import UsageError
from harness.evidence.integrity import check_kept
from harness.evidence.places import PLAN
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.case import Case
from harness.judge.judge import judge
from harness.judge.verdict import Verdict
from harness.safeio.parsing import problems_of
from harness.safeio.text import storable


def read_case(
    directory: RunDirectory, *, track: Track | None = None, runs: Sequence[Run] | None = None
) -> Case:
    """Everything that is known of a verification so far.

    ``runs`` are those that count, where they were read already.

    Raises:
        UsageError: evidence is damaged, or contradicts itself.
    """
    runs = directory.runs() if runs is None else runs
    decisions = directory.decisions()
    about = directory.evidence_digest(runs) if decisions else ""
    with _figures_of(directory):
        return Case.of(
            directory.plan,
            runs,
            track=track,
            decisions=[decision for decision in decisions if decision.evidence == about],
            elsewhere=[decision for decision in decisions if decision.evidence != about],
            used_up=directory.used_up(),
        )


def judge_stored(
    directory: RunDirectory, *, track: Track | None = None, files: bool = True
) -> Verdict:
    """The verdict that follows from stored evidence; runs nothing, writes nothing.

    Args:
        directory: of the verification.
        track: judge under it instead of the plan's own.
        files: also compare the kept files with what the evidence says of them.

    Raises:
        UsageError: evidence is damaged, or contradicts itself.
        InfrastructureError: a file beside the evidence is not the one that it describes.
    """
    runs = directory.runs()
    if files:
        check_kept(directory, runs)
    case = read_case(directory, track=track, runs=runs)
    with _figures_of(directory):
        return judge(case, evidence=storable(str(directory.path)))


def judge_path(path: Path, *, track: Track | None = None, files: bool = True) -> Verdict:
    """:func:`judge_stored` of the directory at ``path``."""
    return judge_stored(RunDirectory.open(path), track=track, files=files)


@contextmanager
def _figures_of(directory: RunDirectory) -> Iterator[None]:
    """Figures that each may be written, and that make no sense together: the evidence is damaged.

    Raises:
        UsageError: what was reckoned with them is no number, or nothing that a verdict can say.
    """
    path = directory.path / PLAN
    try:
        yield
    except ValidationError as error:
        raise UsageError(
            "damaged, or evidence beside it", file=path, problems=problems_of(error)
        ) from error
    except (ArithmeticError, ValueError) as error:
        raise UsageError(
            f"damaged, or evidence beside it: its figures make no sense together ({error})",
            file=path,
            remedy="restore the directory from a copy, or run the verification again",
        ) from error
