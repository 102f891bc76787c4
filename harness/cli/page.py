"""The page that a command leaves at its end, and the browser that shows it."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.extras import require
from harness.errors import HarnessError
from harness.safeio.output import say

NAME = "report.html"
"""The page in a run directory, beside the scorecard, where no other place is named."""


def page_options(parser: argparse.ArgumentParser) -> None:
    """``--report`` and ``--open``."""
    parser.add_argument(
        "--report", type=Path, metavar="PATH", help="also make a page of it, one file of HTML"
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help=f"open the page in a browser at the end (without --report: {NAME} in the run's "
        "directory)",
    )


def require_page(options: argparse.Namespace) -> None:
    """Say what a page lacks here before hours of work, not after them.

    Raises:
        UsageError: a library is missing.
    """
    if options.report or options.open:
        require("vl_convert")


def publish_page(directory: Path, options: argparse.Namespace, *, verify: str = "") -> None:
    """Make the page that was asked for, and open it; a page that fails changes no verdict.

    Args:
        directory: of the verification, which has its verdict.
        options: of the command.
        verify: the command that runs the entry again, as it was typed.
    """
    if not options.report and not options.open:
        return
    path: Path = options.report or directory / NAME
    try:
        _write(directory, path, verify)
    except HarnessError as error:
        say(f"the verdict stands, but no page could be made of it: {error}")
        return
    say(f"page: {path}")
    if options.open and not _opened(path):
        say(f"no browser could be started: open {path} yourself")


def _write(directory: Path, path: Path, verify: str) -> None:
    from dataclasses import replace

    from harness.report.exhibits.read import read_shown
    from harness.report.html.report import render_report
    from harness.safeio.files import write_atomically

    shown = replace(read_shown(directory), verify=verify)
    write_atomically(path, render_report(shown).encode())


def _opened(path: Path) -> bool:
    import webbrowser

    try:
        return webbrowser.open(path.resolve().as_uri())
    except (webbrowser.Error, OSError):
        return False
