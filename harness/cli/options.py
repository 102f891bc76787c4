"""What several commands share: options, the console, and how a verdict is published."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.safeio.output import say, tell
from harness.sandbox import registry

if TYPE_CHECKING:
    from rich.console import Console

    from harness.contest.track import Track
    from harness.judge.verdict import Verdict
    from harness.run.verify import Referee
    from harness.sandbox.protocol import Sandbox


def command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    """Add a command that calls ``function``."""
    parser = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
    parser.set_defaults(command=function)
    return parser


def track_option(parser: argparse.ArgumentParser, default: str) -> None:
    """``--track``."""
    parser.add_argument(
        "--track", default=default, help="name of a track, or a .toml file (default: %(default)s)"
    )


def sandbox_option(parser: argparse.ArgumentParser) -> None:
    """``--sandbox`` and ``--runtime``."""
    parser.add_argument(
        "--sandbox",
        choices=registry.names(),
        default=registry.AUTO,
        help=_sandboxes(),
    )
    runtime_option(parser)


def _sandboxes() -> str:
    said = ", ".join(
        f"{backend.name} {'isolates' if backend.isolates else 'only rehearses'}"
        for backend in registry.BACKENDS
    )
    return f"{said}; {registry.AUTO} takes the first that can be had here"


def runtime_option(parser: argparse.ArgumentParser) -> None:
    """``--runtime``."""
    parser.add_argument(
        "--runtime",
        default="",
        metavar="NAME",
        help="runtime of the engine for the containers, such as runsc (default: the engine's)",
    )


def runs_option(parser: argparse.ArgumentParser) -> None:
    """``--runs``."""
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="evidence (default: runs)"
    )


def data_option(parser: argparse.ArgumentParser) -> None:
    """``--data``."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("HARNESS_DATA", "data")),
        metavar="DIR",
        help="directory of the datasets (default: $HARNESS_DATA or data)",
    )


def json_option(parser: argparse.ArgumentParser) -> None:
    """``--json`` for a verdict."""
    parser.add_argument("--json", metavar="PATH", help="also write the verdict as JSON (-: stdout)")


def leaderboard_option(parser: argparse.ArgumentParser) -> None:
    """``--leaderboard``."""
    parser.add_argument(
        "--leaderboard",
        type=Path,
        metavar="FILE",
        help="accepted verdicts (default: leaderboard.json beside the harness)",
    )


def choose_track(name: str) -> Track:
    """The named track; ``auto`` is the official one on a machine that satisfies it, else smoke."""
    from harness.contest.track import load_track
    from harness.hardware.machine import machine, missing_for

    if name != "auto":
        return load_track(name)
    official = load_track("10min_16mb")
    return load_track("smoke") if missing_for(official, machine()) else official


def choose_sandbox(
    options: argparse.Namespace, track: Track, note: Callable[[str], None]
) -> Sandbox:
    """The sandbox that the options ask for."""
    return registry.choose(options.sandbox, track=track, note=note, runtime=options.runtime)


@contextlib.contextmanager
def referee_for(
    options: argparse.Namespace, track: Track, console: Console, *, runs: Path
) -> Iterator[Referee]:
    """This machine as the referee; the live display ends with the block."""
    from harness.report.live import make_progress
    from harness.run.launcher.local import LocalLauncher
    from harness.run.verify import Referee

    progress = make_progress(console)
    try:
        yield Referee(
            runs=runs,
            data=options.data,
            sandbox=choose_sandbox(options, track, progress.note),
            launcher=LocalLauncher(options.data, progress),
            progress=progress,
        )
    finally:
        progress.close()


def console_for(options: argparse.Namespace) -> Console:
    """The console for people: stdout, or stderr when stdout carries the JSON."""
    from harness.report.console import PatientConsole

    return PatientConsole(stderr=getattr(options, "json", None) == "-", highlight=False)


def publish_verdict(verdict: Verdict, options: argparse.Namespace, console: Console) -> int:
    """Draw the scorecard, write the JSON if requested, and return the exit code."""
    from harness.judge.verdict import EXIT_CODES
    from harness.report.terminal import scorecard

    console.print(scorecard(verdict))
    try:
        write_json(verdict.model_dump_json(indent=2), options.json)
    except InfrastructureError as error:
        if options.json == "-":
            raise
        say(f"the verdict stands, but could not be written as JSON: {error}")
    return EXIT_CODES[verdict.verdict]


def keep_scorecard(directory: Path, verdict: Verdict) -> None:
    """Keep the scorecard as text beside the verdict that it draws."""
    from harness.evidence.store import SCORECARD
    from harness.report.terminal import render_text
    from harness.safeio.files import write_atomically

    write_atomically(directory / SCORECARD, render_text(verdict).encode())


def write_json(content: str, path: str | None) -> None:
    """Write to a file, or to standard output for ``-``."""
    from harness.safeio.files import write_atomically

    if path == "-":
        tell(content)
    elif path:
        write_atomically(Path(path), content.encode() + b"\n")
