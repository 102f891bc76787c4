"""What is entered: a submission in our layout, or a folder in upstream's."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SubmissionError, UsageError
from harness.safeio.output import say

if TYPE_CHECKING:
    from harness.adopt.entered import Entered
    from harness.contest.bridge import Bridge
    from harness.contest.submission import Submission
    from harness.contest.track import Track
    from harness.upstream.folder import RecordFolder


def entry_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say in which layout a folder is."""
    parser.add_argument(
        "--layout",
        choices=("auto", "submission", "upstream"),
        default="auto",
        help="of the folder: with a submission.toml, or as it was sent upstream",
    )
    parser.add_argument(
        "--bridge",
        type=Path,
        metavar="PATH",
        help="a bridge.toml for a folder in upstream's layout, instead of the one that is found",
    )


def entry_of(folder: Path, track: Track, options: argparse.Namespace) -> Entered:
    """The entry of a folder on a track; says so where its settings for others are lost on it.

    Raises:
        SubmissionError: it is none, or the track does not allow it.
        UsageError: a bridge was given for a submission in our layout, or is none.
    """
    from harness.adopt.entered import Entered
    from harness.contest.loading import load_submission
    from harness.contest.submission import check_on_track

    if layout_of(folder, options.layout) == "upstream":
        return _upstream(folder, track, options)
    if options.bridge is not None:
        raise UsageError(
            "--bridge: only a folder in upstream's layout is run by a bridge", file=folder
        )
    submission = load_submission(folder)
    check_on_track(submission, track)
    _warn(submission, track)
    return Entered(submission.entry(track.settings), submission.contents, {})


def _warn(submission: Submission, track: Track) -> None:
    """Say what ``harness check`` would not let pass: it may cost an hour to find it out."""
    from harness.gate.precheck import precheck

    for found in precheck(submission, track):
        if found.status != "pass":
            say(f"warning: {found.place}: {found.sentence}")


def layout_of(folder: Path, asked: str) -> str:
    """In which layout a folder is: with a ``submission.toml``, it was written for this harness."""
    from harness.contest.submission import MANIFEST

    if asked != "auto":
        return asked
    try:
        names = {path.name for path in folder.iterdir()}
    except (OSError, ValueError):  # whoever loads it says what is wrong with it
        return "submission"
    scripts = any(name.endswith(".py") for name in names)
    return "upstream" if scripts and MANIFEST not in names else "submission"


def _upstream(folder: Path, track: Track, options: argparse.Namespace) -> Entered:
    from harness.adopt.entered import check_fits, entered
    from harness.upstream.folder import RecordFolder

    record = RecordFolder(folder)
    bridge = _bridge_of(record, options.bridge)
    check_fits(record, bridge, track)
    return entered(record, bridge, track)


def _bridge_of(folder: RecordFolder, given: Path | None) -> Bridge:
    """The bridge that was given, else the one that reading the folder finds."""
    if given is not None:
        return read_bridge(given)
    from harness.adopt.find_bridge import adopt

    found = adopt(folder)
    if found.bridge is None:
        raise SubmissionError(
            "; ".join(found.reasons)[:1000] or "nothing in it can be run", file=folder.path
        )
    return found.bridge


def read_bridge(path: Path) -> Bridge:
    """A bridge that somebody wrote.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    from harness.contest.bridge import parse_bridge
    from harness.safeio.reading import read_named

    try:
        content = read_named(path, limit_bytes=1 << 20)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", file=path) from error
    return parse_bridge(content, file=str(path))
