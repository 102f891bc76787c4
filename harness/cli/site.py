"""The command that builds the static leaderboard."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.extras import require
from harness.cli.options import command, leaderboard_option, workers_option
from harness.safeio.output import say, tell
from harness.safeio.text import plain

_MOST_TOLD = 10


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    site = command(
        commands, "site", _site, "build a static leaderboard from accepted verdicts alone"
    )
    site.add_argument(
        "out", type=Path, metavar="OUT_DIR", help="made, or replaced where it is a site already"
    )
    leaderboard_option(site)
    site.add_argument(
        "--verdicts",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="files of verdicts, run directories, or folders of either; what nobody accepted is "
        "left out",
    )
    site.add_argument(
        "--audits",
        type=Path,
        nargs="+",
        default=[],
        metavar="JSON",
        help="what `harness audit --json` wrote of upstream's records",
    )
    site.add_argument(
        "--tracks",
        nargs="+",
        default=[],
        metavar="TOML",
        help="rules of other editions, beside those that come with the harness",
    )
    site.add_argument(
        "--pictures",
        choices=("records", "all", "none"),
        default="records",
        help="whose pages have pictures (default: %(default)s)",
    )
    workers_option(site)


def _site(options: argparse.Namespace) -> int:
    from harness.contest.track import load_track
    from harness.ledger.file import default_path
    from harness.report.site.build import build_site

    if options.pictures != "none":
        require("vl_convert")
    built = build_site(
        options.out,
        leaderboard=options.leaderboard or default_path(),
        verdicts=options.verdicts,
        audits=options.audits,
        tracks=[load_track(name) for name in options.tracks],
        pictures=options.pictures,
        workers=options.workers,
    )
    _tell_some([f"{path}: nobody accepted it: left out" for path in built.unknown])
    _tell_some(built.problems)
    tell(
        f"{options.out}: {built.pages:,} pages, {built.files:,} files, {built.bytes:,} bytes; the "
        f"start page has {built.start_bytes:,}; open {options.out / 'index.html'}"
    )
    return 0


def _tell_some(lines: list[str] | tuple[str, ...]) -> None:
    for line in lines[:_MOST_TOLD]:
        say(plain(line, 500))
    if len(lines) > _MOST_TOLD:
        say(f"and {len(lines) - _MOST_TOLD:,} more")
