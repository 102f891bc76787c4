"""Commands about the leaderboard: what was accepted, who tried what, and who is one person."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import (
    by_option,
    command,
    console_for,
    leaderboard_option,
    who_says,
    why_option,
    words,
)
from harness.errors import UsageError
from harness.safeio.output import tell
from harness.safeio.text import plain

if TYPE_CHECKING:
    from harness.contest.track import Track
    from harness.ledger.events import Record, Retracted


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    board = commands.add_parser(
        "leaderboard",
        help="accepted verdicts, and who tried what",
        description="Accepted verdicts, and who tried what.",
    )
    kinds = board.add_subparsers(required=True, metavar="COMMAND")
    show = command(kinds, "show", _show, "print the accepted verdicts and the tries")
    accept = command(kinds, "accept", _accept, "add a VERIFIED verdict")
    accept.add_argument(
        "verdict", type=Path, metavar="RUN_DIR|VERDICT_JSON", help="of what was verified"
    )
    accept.add_argument("--pull-request", default="", metavar="URL|N", help="that entered it")
    accept.add_argument("--commit", default="", metavar="SHA", help="of the entry")
    accept.add_argument(
        "--evidence", default="", metavar="WHERE", help="where it lies (default: as it says)"
    )
    accept.add_argument(
        "--despite-today",
        action="store_true",
        help="accept a verdict of other rules although today's do not verify it",
    )
    retract = command(kinds, "retract", _retract, "take an accepted verdict back")
    retract.add_argument("verdict", metavar="VERDICT_SHA256", help="or its first 12 digits")
    tried = command(kinds, "tried", _tried, "keep tries, whatever came of them")
    tried.add_argument(
        "runs", type=Path, nargs="+", metavar="RUNS", help="run directories, or folders of them"
    )
    tried.add_argument(
        "--author",
        type=words,
        metavar="@ID|NAME",
        help="who sent them (default: the GitHub id that each entry names, or its author)",
    )
    join = command(kinds, "join", _join, "say that accounts are one person")
    join.add_argument(
        "accounts",
        type=words,
        nargs="+",
        metavar="@ID|NAME",
        help="a GitHub id after @, or an author's name",
    )
    part = command(kinds, "part", _part, "take back that accounts are one person")
    part.add_argument("joined", metavar="SHA256", help="of the join, or its first 12 digits")
    write = command(kinds, "write", _write, "write the table into a Markdown file")
    write.add_argument("file", type=Path, metavar="MARKDOWN", help="with markers for the table")
    for kind in (retract, join, part):
        why_option(kind)
    for kind in (accept, retract, tried, join, part):
        by_option(kind)
    for kind in (show, write, accept, tried):
        kind.add_argument("--track", help="name of a track, or a .toml file")
    for kind in (show, write, accept, retract, tried, join, part):
        leaderboard_option(kind)


def _show(options: argparse.Namespace) -> int:
    from harness.contest.track import load_track
    from harness.ledger.file import load_leaderboard
    from harness.ledger.leaderboard import bar_of
    from harness.ledger.tries import by_person
    from harness.report.leaderboard import show_joins, show_leaderboard, show_tries

    console, path = console_for(options), _path(options)
    records, retracted = _records(options)
    board = load_leaderboard(path)
    accepted = [event for record in records if (event := board.acceptance(record))]
    show_leaderboard(records, console, accepted=accepted, retracted=retracted)
    if options.track:
        track = load_track(options.track)
        show_tries(by_person(board, track, bar=bar_of(track, path)), track, console)
    show_joins(board.joins, console)
    return 0


def _rules(options: argparse.Namespace, named: str) -> Track:
    """The rules that the maintainer names, or else those that came under the verdict's name."""
    from harness.contest.track import load_named_track, load_track

    return load_track(options.track) if options.track else load_named_track(named)


def _accept(options: argparse.Namespace) -> int:
    from harness.ledger.candidate import load_candidate
    from harness.ledger.leaderboard import accept

    candidate = load_candidate(options.verdict)
    verdict = candidate.published.verdict
    record = accept(
        _path(options),
        candidate,
        track=_rules(options, verdict.track),
        by=who_says(options),
        pull_request=options.pull_request,
        commit=options.commit,
        evidence=options.evidence,
        despite_today=options.despite_today,
    )
    what = "accepted" if record else "is in the leaderboard already, nothing is changed"
    tell(f"verdict {candidate.published.sha256}: {what}")
    if candidate.today is not None:
        today = candidate.today
        tell(f"it is of other rules; today's say {today.verdict} ({plain(today.reason, 200)})")
    return 0


def _retract(options: argparse.Namespace) -> int:
    from harness.ledger.leaderboard import retract

    record = retract(_path(options), options.verdict, why=options.why, by=who_says(options))
    what = "retracted" if record else "is retracted already, nothing is changed"
    tell(f"verdict {record.verdict_sha256 if record else options.verdict}: {what}")
    return 0


def _tried(options: argparse.Namespace) -> int:
    """One bad directory ends it with its error; those before it are kept, and kept once."""
    from harness.judge.rejudge import find_runs
    from harness.ledger.candidate import load_candidate
    from harness.ledger.trying import record_try, why_no_try

    for run in find_runs(options.runs):
        if not run.is_dir():
            raise UsageError(
                "a try is judged again from its evidence: name its directory", file=run
            )
        candidate = load_candidate(run)
        track = _rules(options, candidate.published.verdict.track)
        if why := why_no_try(candidate):
            tell(f"{plain(str(run), 300)}: not a try: {plain(why, 300)}")
            continue
        event = record_try(
            _path(options), candidate, track=track, by=who_says(options), account=options.author
        )
        what = f"kept as a try of {plain(event.account, 80)}" if event else "is kept already"
        tell(f"{plain(str(run), 300)}: {candidate.published.verdict.verdict}, {what}")
    return 0


def _join(options: argparse.Namespace) -> int:
    from harness.ledger.trying import join

    event = join(_path(options), options.accounts, why=options.why, by=who_says(options))
    if event is None:
        tell("they are one person already, nothing is changed")
    else:
        names = ", ".join(plain(account, 80) for account in event.accounts)
        tell(f"join {event.digest}: {names} are one person")
    return 0


def _part(options: argparse.Namespace) -> int:
    from harness.ledger.trying import part

    event = part(_path(options), options.joined, why=options.why, by=who_says(options))
    what = "taken back" if event else "is taken back already, nothing is changed"
    tell(f"join {event.digest if event else options.joined}: {what}")
    return 0


def _write(options: argparse.Namespace) -> int:
    from harness.report.leaderboard import write_table

    changed = write_table(options.file, _records(options)[0])
    tell(f"{options.file}: {'written' if changed else 'up to date'}")
    return 0


def _path(options: argparse.Namespace) -> Path:
    from harness.ledger.file import default_path

    return Path(options.leaderboard or default_path())


def _records(options: argparse.Namespace) -> tuple[list[Record], list[tuple[Record, Retracted]]]:
    """What stands, and what was retracted, on the track that is asked for or on all."""
    from harness.contest.track import load_track
    from harness.ledger.chain import is_on
    from harness.ledger.file import load_leaderboard

    board = load_leaderboard(_path(options))
    if not options.track:
        return board.records, board.retracted
    track = load_track(options.track)
    return board.of(track), [pair for pair in board.retracted if is_on(pair[0], track)]
