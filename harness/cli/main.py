"""The command line: parses arguments and calls a module of ``harness/cli/``; holds no logic."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from harness.cli.extras import missing
from harness.cli.guard import guarded
from harness.errors import UsageError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 to 4, or 130 if interrupted."""
    return guarded(lambda: _run(arguments))


def _run(arguments: list[str] | None) -> int:
    options = parser().parse_args(arguments)
    for name, value in vars(options).items():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                _require_utf8(name, path)
    for name in ("json", "markdown", "summary", "junit", "output", "report"):
        path = getattr(options, name, None)
        if path is not None and str(path) != "-":
            _require_writable(f"--{name}", Path(path))
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except ModuleNotFoundError as error:
        if lacking := missing(error, options.called):
            raise lacking from error
        raise


def _require_utf8(name: str, path: Path) -> None:
    """Require UTF-8: evidence, and mounts as told to the engine, are JSON, which holds text."""
    try:
        os.path.realpath(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{name} {path}: the path is not UTF-8; rename it") from error


def _require_writable(option: str, path: Path) -> None:
    """Check stdout now, not when the result of hours of work is to be written."""
    try:
        writable = os.access(path.parent, os.W_OK | os.X_OK) and path.parent.is_dir()
        replaceable = path.is_file() or not path.exists()
    except OSError:
        writable = False
    if not writable or not replaceable:
        raise UsageError(
            f"{option} {path}: cannot be written; name a file in a directory that exists and "
            "that you may write to"
        )


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    from harness.cli import (
        adopting,
        beginning,
        completing,
        data,
        judging,
        leaderboard,
        machine,
        planning,
        queueing,
        reading,
        running,
        site,
        verifying,
    )
    from harness.package import VERSION

    made = argparse.ArgumentParser(
        prog="harness",
        description="The referee for Parameter Golf: trains, seals, weighs, re-scores and "
        "judges a submission.",
        epilog="exit codes: 0 verified or rehearsed, 1 rejected, 2 wrong usage or malformed "
        "input, 3 inconclusive (our side), 4 reproduced (its own figure, which nobody checked), "
        "130 interrupted (resumable)",
    )
    made.add_argument("--version", action="version", version=f"harness {VERSION}")
    commands = made.add_subparsers(required=True, metavar="COMMAND")

    first = (
        *(beginning, verifying, queueing, running, judging),
        *(leaderboard, site, planning, reading),
    )
    for module in (*first, adopting, data, machine, completing):
        module.add(commands)
    return made
