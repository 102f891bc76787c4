"""Commands about verdicts: judging evidence, drawing scorecards, the leaderboard."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import (
    command,
    console_for,
    json_option,
    leaderboard_option,
    publish_verdict,
)
from harness.safeio.output import tell

if TYPE_CHECKING:
    from harness.ledger.leaderboard import Record


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    judge = command(commands, "judge", _judge, "apply the rules to stored evidence; runs nothing")
    judge.add_argument("run", type=Path, metavar="RUN_DIR")
    judge.add_argument("--track", help="judge under this track instead of the one that was run")
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
    write = command(kinds, "write", _leaderboard_write, "write the table into a Markdown file")
    write.add_argument("file", type=Path, metavar="MARKDOWN")
    for kind in (show, write, accept):
        kind.add_argument("--track", help="name of a track, or a .toml file")
        leaderboard_option(kind)


def _judge(options: argparse.Namespace) -> int:
    from harness.contest.track import load_track
    from harness.evidence.store import Ledger
    from harness.judge.stored import judge_ledger
    from harness.report.markdown import render_markdown
    from harness.report.terminal import export_svg
    from harness.safeio.files import write_atomically

    track = load_track(options.track) if options.track else None
    verdict = judge_ledger(Ledger.open(options.run), track=track)
    if options.svg:
        write_atomically(options.svg, export_svg(verdict).encode())
    if options.markdown:
        write_atomically(options.markdown, render_markdown(verdict).encode())
    return publish_verdict(verdict, options, console_for(options))


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

    show_leaderboard(_records(options), console_for(options))
    return 0


def _leaderboard_accept(options: argparse.Namespace) -> int:
    from harness.contest.track import load_track
    from harness.ledger.leaderboard import accept, default_path, load_accepted

    published = load_accepted(options.verdict)
    track = load_track(options.track or published.verdict.track)
    record = accept(options.leaderboard or default_path(), published, track=track)
    what = "accepted" if record else "is in the leaderboard already, nothing is changed"
    tell(f"verdict {published.sha256}: {what}")
    return 0


def _leaderboard_write(options: argparse.Namespace) -> int:
    from harness.report.leaderboard import write_table

    changed = write_table(options.file, _records(options))
    tell(f"{options.file}: {'written' if changed else 'up to date'}")
    return 0


def _records(options: argparse.Namespace) -> list[Record]:
    from harness.contest.track import load_track
    from harness.ledger.leaderboard import default_path, load_leaderboard

    board = load_leaderboard(options.leaderboard or default_path())
    return board.of(load_track(options.track)) if options.track else list(board.records)
