"""What other programs call to have a submission verified, as the command does, in one function."""

from collections.abc import Sequence
from pathlib import Path

from harness.contest.loading import load_submission
from harness.contest.submission import Submission, check_on_track
from harness.contest.track import Track, load_track
from harness.hardware.machine import check_machine, fitted
from harness.ledger.file import default_path
from harness.ledger.leaderboard import bar_of
from harness.ledger.tries import tries_of
from harness.run import verify as running
from harness.run.launcher.local import LocalLauncher
from harness.run.plan import Wishes
from harness.run.progress import Progress
from harness.run.referee import Judged, Referee
from harness.sandbox import registry


def verify(
    submission: Submission | Path | str,
    *,
    track: Track | str = "smoke",
    sandbox: str = registry.AUTO,
    runs: Path | str = "runs",
    data: Path | str = "data",
    seeds: Sequence[int] | None = None,
    leaderboard: Path | str | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Train, seal, re-score and judge a submission on this machine.

    Args:
        submission: a folder with a ``submission.toml``, or what was loaded from one.
        track: the rules, by name or as they were loaded.
        sandbox: ``docker``, ``process`` (which only rehearses) or ``auto``.
        runs: the directory under which evidence is kept.
        data: the directory of the datasets.
        seeds: the caller's own, which are never a record; drawn where there are none.
        leaderboard: what the bar and the author's tries are read from, where the track asks for
            them; the one that comes with the harness where none is named.
        progress: told of everything that happens; nobody where there is none.

    Returns:
        The verdict, and the directory of the evidence that it follows from.

    Raises:
        SubmissionError: the submission is none, or the track does not allow it.
        UsageError: an earlier verification is to be finished first; no such track or leaderboard.
        InfrastructureError: this machine, its engine, its disk or its data cannot do it.
    """
    track = fitted(load_track(track) if isinstance(track, str) else track)
    check_machine(track)
    if not isinstance(submission, Submission):
        submission = load_submission(Path(submission))
    check_on_track(submission, track)
    entry, files = submission.entry(track.settings), submission.contents
    board, progress = Path(leaderboard or default_path()), progress or Progress()
    bar = bar_of(track, board)
    referee = Referee(
        runs=Path(runs),
        data=Path(data),
        sandbox=registry.choose(sandbox, track=track, note=progress.note, layout=entry.layout),
        launcher=LocalLauncher(Path(data), progress),
        progress=progress,
    )
    return running.verify(
        *(entry, files, track, referee),
        bar=bar,
        tries=tries_of(entry, files, track, board, bar=bar),
        wishes=Wishes(seeds=tuple(seeds) if seeds else None),
    )
