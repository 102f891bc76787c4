"""Commands about verdicts: judging evidence, drawing scorecards."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.guard import EXIT_INCONCLUSIVE, EXIT_USAGE
from harness.cli.options import (
    command,
    console_for,
    json_option,
    publish_verdict,
    write_json,
)
from harness.errors import UsageError
from harness.safeio.output import tell

if TYPE_CHECKING:
    from harness.contest.track import Track


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
