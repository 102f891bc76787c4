"""Commands about verdicts: judging evidence, drawing scorecards."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.extras import require
from harness.cli.guard import EXIT_INCONCLUSIVE, EXIT_USAGE
from harness.cli.options import (
    by_option,
    command,
    console_for,
    json_option,
    keep_scorecard,
    publish_verdict,
    verbose_option,
    who_says,
    why_option,
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
    judge.add_argument(
        "--markdown", type=Path, metavar="PATH", help="also write the scorecard as Markdown"
    )
    json_option(judge)

    decide = command(
        commands,
        "decide",
        _decide,
        "settle what a rule could not tell, for others to see",
    )
    decide.add_argument("run", type=Path, metavar="RUN_DIR", help="directory of the verification")
    decide.add_argument("check", metavar="CHECK", help="the rule that answers unknown")
    decide.add_argument("word", choices=("accept", "reject"), help="how it is settled")
    why_option(decide, "TEXT")
    by_option(decide)
    json_option(decide)

    card = command(commands, "scorecard", _scorecard, "draw a verdict's file again")
    card.add_argument("verdict", type=Path, metavar="VERDICT_JSON", help="the verdict's file")
    card.add_argument(
        "--format", choices=("table", "markdown"), default="table", help="(default: %(default)s)"
    )
    verbose_option(card)

    page = command(commands, "report", _report, "make a page of a verification, with pictures")
    page.add_argument(
        "verified",
        type=Path,
        metavar="RUN_DIR|VERDICT_JSON",
        help="a run directory, or a verdict's file alone",
    )
    page.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="PATH",
        help="the page, one file of HTML (default: %(default)s)",
    )
    page.add_argument(
        "--inspection",
        type=Path,
        metavar="JSON",
        help="what harness inspect RUN_DIR --json wrote: bytes and errors by tensor",
    )


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
    from harness.safeio.files import write_atomically

    verdict = judge_path(options.runs[0], track=track)
    if options.markdown:
        write_atomically(options.markdown, render_markdown(verdict).encode())
    return publish_verdict(verdict, options, console_for(options))


def _judge_many(options: argparse.Namespace, track: Track | None) -> int:
    from harness.judge.rejudge import find_runs, rejudge
    from harness.report.rejudge import as_json, show_rejudged

    if options.markdown:
        raise UsageError("--markdown: draws one verdict; name one run directory, without --diff")
    judged = rejudge(
        find_runs(options.runs), track=track, files=options.files, compare=options.diff
    )
    show_rejudged(judged, console_for(options), compared=options.diff)
    write_json(as_json(judged), options.json)
    faults = {each.trouble.fault for each in judged if each.trouble}
    return EXIT_INCONCLUSIVE if "infrastructure" in faults else EXIT_USAGE if faults else 0


def _decide(options: argparse.Namespace) -> int:
    from harness.evidence.store import RunDirectory
    from harness.ledger.deciding import decide

    directory = RunDirectory.open(options.run)
    who = who_says(options)
    verdict = decide(directory, options.check, options.word, why=options.why, who=who)
    keep_scorecard(directory.path, verdict)
    return publish_verdict(verdict, options, console_for(options))


def _scorecard(options: argparse.Namespace) -> int:
    from harness.judge.verdict_file import read_verdict
    from harness.report.markdown import render_markdown
    from harness.report.terminal import scorecard

    verdict = read_verdict(options.verdict).verdict
    if options.format == "markdown":
        tell(render_markdown(verdict).rstrip("\n"))
    else:
        console_for(options).print(scorecard(verdict, verbose=options.verbose))
    return 0


def _report(options: argparse.Namespace) -> int:
    require("vl_convert")
    from harness.report.exhibits.read import read_shown
    from harness.report.html.report import render_report
    from harness.safeio.files import write_atomically

    shown = read_shown(options.verified, inspection=options.inspection)
    content = render_report(shown).encode()
    write_atomically(options.output, content)
    tell(f"{options.output}: {shown.verdict.verdict}, {len(content):,} bytes; open it in a browser")
    return 0
