"""Commands about verdicts: judging evidence, drawing scorecards, the leaderboard."""

from __future__ import annotations

import argparse
import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.guard import EXIT_INCONCLUSIVE, EXIT_USAGE
from harness.cli.options import (
    command,
    console_for,
    json_option,
    leaderboard_option,
    publish_verdict,
    write_json,
)
from harness.errors import UsageError
from harness.safeio.output import tell
from harness.safeio.text import plain

if TYPE_CHECKING:
    from harness.contest.track import Track
    from harness.ledger.chain import Record, Retracted


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    judge = command(commands, "judge", _judge, "apply the rules to stored evidence; runs nothing")
    judge.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUNS",
        help="run directories, or folders of them; several are judged in parallel",
    )
    judge.add_argument("--track", help="judge under this track instead of the one that was run")
    judge.add_argument(
        "--diff", action="store_true", help="what is another than in the verdict.json kept there"
    )
    judge.add_argument(
        "--files", action="store_true", help="of several, compare the kept files too, as of one"
    )
    judge.add_argument("--svg", type=Path, metavar="PATH", help="also draw the scorecard as SVG")
    judge.add_argument(
        "--markdown", type=Path, metavar="PATH", help="also write the scorecard as Markdown"
    )
    json_option(judge)

    card = command(commands, "scorecard", _scorecard, "draw a verdict's file again")
    card.add_argument("verdict", type=Path, metavar="VERDICT_JSON")
    card.add_argument("--format", choices=("table", "markdown"), default="table")

    board = commands.add_parser(
        "leaderboard", help="accepted verdicts", description="Accepted verdicts."
    )
    kinds = board.add_subparsers(required=True, metavar="COMMAND")
    show = command(kinds, "show", _leaderboard_show, "print the accepted verdicts")
    accept = command(kinds, "accept", _leaderboard_accept, "add a VERIFIED verdict")
    accept.add_argument("verdict", type=Path, metavar="RUN_DIR|VERDICT_JSON")
    accept.add_argument("--pull-request", default="", metavar="URL|N", help="that entered it")
    accept.add_argument("--commit", default="", metavar="SHA", help="of the entry")
    accept.add_argument(
        "--evidence", default="", metavar="WHERE", help="where it lies (default: as it says)"
    )
    retract = command(kinds, "retract", _leaderboard_retract, "take an accepted verdict back")
    retract.add_argument("verdict", metavar="VERDICT_SHA256", help="or its first 12 digits")
    retract.add_argument("--why", required=True, help="for people")
    write = command(kinds, "write", _leaderboard_write, "write the table into a Markdown file")
    write.add_argument("file", type=Path, metavar="MARKDOWN")
    for kind in (accept, retract):
        kind.add_argument("--by", metavar="NAME", help="who (default: $GITHUB_ACTOR, or the login)")
    for kind in (show, write, accept):
        kind.add_argument("--track", help="name of a track, or a .toml file")
    for kind in (show, write, accept, retract):
        leaderboard_option(kind)


def _judge(options: argparse.Namespace) -> int:
    from harness.contest.track import load_track
    from harness.judge.rejudge import find_runs

    track = load_track(options.track) if options.track else None
    if len(options.runs) == 1 and not options.diff and find_runs(options.runs) == options.runs:
        return _judge_one(options, track)
    return _judge_many(options, track)


def _judge_one(options: argparse.Namespace, track: Track | None) -> int:
    from harness.judge.stored import judge_path
    from harness.report.markdown import render_markdown
    from harness.report.terminal import export_svg
    from harness.safeio.files import write_atomically

    verdict = judge_path(options.runs[0], track=track)
    if options.svg:
        write_atomically(options.svg, export_svg(verdict).encode())
    if options.markdown:
        write_atomically(options.markdown, render_markdown(verdict).encode())
    return publish_verdict(verdict, options, console_for(options))


def _judge_many(options: argparse.Namespace, track: Track | None) -> int:
    from harness.judge.rejudge import find_runs, rejudge
    from harness.report.rejudge import as_json, show_rejudged

    for name in ("svg", "markdown"):
        if getattr(options, name):
            raise UsageError(f"--{name}: draws one verdict; name one run directory, without --diff")
    judged = rejudge(
        find_runs(options.runs), track=track, files=options.files, compare=options.diff
    )
    show_rejudged(judged, console_for(options), compared=options.diff)
    write_json(as_json(judged), options.json)
    faults = {each.trouble.fault for each in judged if each.trouble}
    return EXIT_INCONCLUSIVE if "infrastructure" in faults else EXIT_USAGE if faults else 0


def _scorecard(options: argparse.Namespace) -> int:
    from harness.judge.verdict_file import read_verdict
    from harness.report.markdown import render_markdown
    from harness.report.terminal import scorecard

    verdict = read_verdict(options.verdict).verdict
    if options.format == "markdown":
        tell(render_markdown(verdict).rstrip("\n"))
    else:
        console_for(options).print(scorecard(verdict))
    return 0


def _leaderboard_show(options: argparse.Namespace) -> int:
    from harness.report.leaderboard import show_leaderboard

    records, retracted = _records(options)
    show_leaderboard(records, console_for(options), retracted=retracted)
    return 0


def _leaderboard_accept(options: argparse.Namespace) -> int:
    from harness.contest.track import load_track
    from harness.ledger.candidate import load_candidate
    from harness.ledger.leaderboard import accept, default_path

    candidate = load_candidate(options.verdict)
    verdict = candidate.published.verdict
    record = accept(
        options.leaderboard or default_path(),
        candidate,
        track=load_track(options.track or verdict.track),
        by=_who(options),
        pull_request=options.pull_request,
        commit=options.commit,
        evidence=options.evidence,
    )
    what = "accepted" if record else "is in the leaderboard already, nothing is changed"
    tell(f"verdict {candidate.published.sha256}: {what}")
    if candidate.today is not None:
        today = candidate.today
        tell(f"it is of other rules; today's say {today.verdict} ({plain(today.reason, 200)})")
    return 0


def _leaderboard_retract(options: argparse.Namespace) -> int:
    from harness.ledger.leaderboard import default_path, retract

    record = retract(
        options.leaderboard or default_path(), options.verdict, why=options.why, by=_who(options)
    )
    what = "retracted" if record else "is retracted already, nothing is changed"
    tell(f"verdict {record.verdict_sha256 if record else options.verdict}: {what}")
    return 0


def _who(options: argparse.Namespace) -> str:
    """The name of whoever accepts or retracts."""
    try:
        name = options.by or os.environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError) as error:
        raise UsageError("nobody is logged in: say who you are with --by NAME") from error
    return str(name)


def _leaderboard_write(options: argparse.Namespace) -> int:
    from harness.report.leaderboard import write_table

    changed = write_table(options.file, _records(options)[0])
    tell(f"{options.file}: {'written' if changed else 'up to date'}")
    return 0


def _records(options: argparse.Namespace) -> tuple[list[Record], list[tuple[Record, Retracted]]]:
    """Valid and retracted records on the given track, or on all tracks."""
    from harness.contest.track import load_track
    from harness.ledger.chain import is_on
    from harness.ledger.leaderboard import default_path, load_leaderboard

    board = load_leaderboard(options.leaderboard or default_path())
    if not options.track:
        return board.records, board.retracted
    track = load_track(options.track)
    return board.of(track), [pair for pair in board.retracted if is_on(pair[0], track)]
