"""Judges many stored verifications again, and compares the results with the kept verdicts.

So a maintainer sees the effect of new rules on a whole archive before they are published: which
verdicts, answers and places on the leaderboard differ from those kept beside the evidence.
"""

import math
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from harness.contest.track import Track
from harness.errors import HarnessError, InfrastructureError
from harness.evidence.places import PLAN, VERDICT, is_run_directory
from harness.evidence.store import RunDirectory
from harness.judge.stored import judge_stored
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import read_verdict
from harness.models import Fact, Finding
from harness.safeio.looking import is_there, names_in
from harness.safeio.text import storable

_FEWEST_FOR_PROCESSES = 8
_CHUNK = 8
_TOLERANCE = 1e-9


class Change(Fact):
    """A check whose result differs; null where its question did not arise, or was not asked.

    Usually only a figure differs, and the answer is the same.
    """

    rule: str
    before: Finding | None
    after: Finding | None

    @property
    def turned(self) -> bool:
        """Whether the answer differs."""
        return not self.before or not self.after or self.before.status != self.after.status


class Trouble(Fact):
    """Why a verification could not be judged: ``usage`` for damaged evidence, else our failure."""

    fault: Literal["usage", "infrastructure"]
    message: str


class Rejudged(Fact):
    """One verification: its verdict now, and the kept one.

    ``rank`` is its place on its track by its score among the verified ones that were judged with
    it, one for each submission; ``kept_rank`` the same among the kept verdicts. ``unreadable``
    says why a kept verdict is not compared. ``changes`` are empty without a kept verdict.
    """

    directory: str
    verdict: Verdict | None = None
    trouble: Trouble | None = None
    kept: Verdict | None = None
    unreadable: str = ""
    changes: tuple[Change, ...] = ()
    rank: int | None = None
    kept_rank: int | None = None

    @property
    def word_changed(self) -> bool:
        """Whether the verdict is different now."""
        return bool(self.verdict and self.kept and self.verdict.verdict != self.kept.verdict)

    @property
    def rank_changed(self) -> bool:
        """Whether its place is different now."""
        return bool(self.verdict and self.kept) and self.rank != self.kept_rank

    @property
    def turned(self) -> tuple[Change, ...]:
        """The checks whose answer is different now."""
        return tuple(change for change in self.changes if change.turned)

    @property
    def changed(self) -> bool:
        """Whether the verdict, an answer or the place is different now."""
        return self.word_changed or self.rank_changed or bool(self.turned)


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Run directories: each path itself, or if it is a folder of them, those in it, by name.

    A path that is neither, or that cannot be looked at, stays in the list; judging it says what was
    expected.

    Raises:
        InfrastructureError: what lies in a folder cannot be looked at.
    """
    found: dict[Path, None] = {}
    for path in paths:
        folder = not _may_be_one(path) and is_there(path) and path.is_dir()
        inside = [path / name for name in names_in(path)] if folder else []
        runs = [each for each in inside if _may_be_one(each)]
        found.update(dict.fromkeys(runs or [path]))
    return list(found)


def _may_be_one(path: Path) -> bool:
    """Whether it is a run directory, or nobody can tell."""
    try:
        return is_run_directory(path)
    except InfrastructureError:
        return True


def rejudge(
    paths: Sequence[Path],
    *,
    track: Track | None = None,
    files: bool = False,
    compare: bool = False,
    workers: int | None = None,
) -> list[Rejudged]:
    """Judge many verifications in parallel; one that cannot be judged gives an error entry.

    Args:
        paths: of run directories.
        track: judge under it instead of each plan's own.
        files: also compare the kept files with what the evidence says of them.
        compare: with each kept verdict.
        workers: processes; by default as many as this process has cores.

    Raises:
        InfrastructureError: a process died.
    """
    one = partial(rejudge_one, track=track, files=files, compare=compare)
    workers = workers or len(os.sched_getaffinity(0))
    if workers == 1 or len(paths) < _FEWEST_FOR_PROCESSES:
        judged = [one(path) for path in paths]
    else:
        try:
            with ProcessPoolExecutor(workers, initializer=_leave_signals_alone) as pool:
                with _signals_held():  # all workers are started here
                    results = pool.map(one, paths, chunksize=_CHUNK)
                judged = list(results)
        except BrokenProcessPool as error:
            raise InfrastructureError(
                f"a process that judges died: {error}", remedy="see whether memory ran out"
            ) from error
    return _ranked(judged)


def rejudge_one(
    path: Path, *, track: Track | None = None, files: bool = False, compare: bool = False
) -> Rejudged:
    """Judge one verification again; ranks are left to :func:`rejudge`."""
    try:
        verdict = judge_stored(RunDirectory.open(path), track=track, files=files)
    except InfrastructureError as error:
        return _in_trouble(path, "infrastructure", error)
    except (HarnessError, ArithmeticError, ValueError, OSError) as error:
        return _in_trouble(path, "usage", error)
    judged = Rejudged(directory=storable(str(path)), verdict=verdict)
    if not compare:
        return judged
    try:
        if not is_there(path / VERDICT):
            return judged
        kept = read_verdict(path / VERDICT).verdict
    except HarnessError as error:
        return judged.model_copy(update={"unreadable": storable(str(error))})
    changes = tuple(changes_between(kept, verdict))
    return judged.model_copy(update={"kept": kept, "changes": changes})


def changes_between(before: Verdict, after: Verdict) -> Iterator[Change]:
    """Checks with a different status, figure or limit, in the order of the later verdict."""
    old = {check.id: check for check in before.checks}
    new = {check.id: check for check in after.checks}
    for rule in dict.fromkeys([*new, *old]):
        one, other = old.get(rule), new.get(rule)
        if one is None or other is None or not _same(one, other):
            yield Change(rule=rule, before=one, after=other)


def _same(one: Finding, other: Finding) -> bool:
    pairs = ((one.measured, other.measured), (one.limit, other.limit))
    return one.status == other.status and all(_same_figure(*pair) for pair in pairs)


def _same_figure(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=_TOLERANCE)
    return one == other


def _ranked(judged: Sequence[Rejudged]) -> list[Rejudged]:
    now = _ranks([each.verdict for each in judged])
    then = _ranks([each.kept for each in judged])
    return [
        each.model_copy(update={"rank": now.get(place), "kept_rank": then.get(place)})
        for place, each in enumerate(judged)
    ]


def _ranks(verdicts: Sequence[Verdict | None]) -> dict[int, int]:
    """Places of verified verdicts on their tracks; only the best of each submission counts."""
    tracks: dict[tuple[str, str], dict[str, tuple[float, int]]] = {}
    known = [(place, verdict) for place, verdict in enumerate(verdicts) if verdict is not None]
    for place, verdict in sorted(known, key=lambda pair: pair[1].created_at):
        mean = verdict.score_bpb
        if verdict.verdict == "VERIFIED" and mean is not None:
            entries = tracks.setdefault((verdict.track, verdict.dataset), {})
            entries.setdefault(verdict.digests.submission, (mean, place))
    return {
        place: rank
        for entries in tracks.values()
        for rank, (_, place) in enumerate(sorted(entries.values()), start=1)
    }


def _in_trouble(
    path: Path, fault: Literal["usage", "infrastructure"], error: Exception
) -> Rejudged:
    message = str(error) if isinstance(error, HarnessError) else f"{path / PLAN}: {error}"
    return Rejudged(
        directory=storable(str(path)), trouble=Trouble(fault=fault, message=storable(message))
    )


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold a terminal's signals back: a worker must not get one before it ignores them.

    A worker inherits that they are held; in this process they arrive at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_signals_alone() -> None:
    """Ignore a terminal's signals in a worker; the main process gets them too and ends us."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
