"""What several commands share: options, the console, and how a verdict is published."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.extras import require
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.safeio.output import say, tell
from harness.safeio.text import plain
from harness.sandbox import registry

if TYPE_CHECKING:
    from rich.console import Console

    from harness.contest.entry import Entry, Layout
    from harness.contest.track import Track
    from harness.judge.verdict import Verdict
    from harness.report.console import PatientConsole
    from harness.run.referee import Judged, Referee
    from harness.sandbox.protocol import Sandbox

_MOST_WORKERS = 1000


def command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    """Add a command that calls ``function``."""
    about = f"{summary[0].upper()}{summary[1:]}."
    parser = commands.add_parser(name, help=summary, description=about)
    parser.set_defaults(command=function, called=parser.prog)
    return parser


def track_option(parser: argparse._ActionsContainer, default: str) -> None:
    """``--track``."""
    parser.add_argument(
        "--track", default=default, help="name of a track, or a .toml file (default: %(default)s)"
    )


def sandbox_option(parser: argparse._ActionsContainer) -> None:
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


def runtime_option(parser: argparse._ActionsContainer) -> None:
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


def data_option(parser: argparse._ActionsContainer) -> None:
    """``--data``."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("HARNESS_DATA", "data")),
        metavar="DIR",
        help="directory of the datasets (default: $HARNESS_DATA or data)",
    )


def json_option(parser: argparse.ArgumentParser) -> None:
    """``--json`` and ``--verbose`` for a verdict."""
    parser.add_argument("--json", metavar="PATH", help="also write the verdict as JSON (-: stdout)")
    verbose_option(parser)


def verbose_option(parser: argparse.ArgumentParser) -> None:
    """``--verbose`` for a scorecard."""
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="tell checks that pass one by one, not folded into a line",
    )


def words(text: str) -> str:
    """The value of an option that people read, without white space around it.

    Raises:
        argparse.ArgumentTypeError: nothing in it can be read.
    """
    if not plain(text, len(text)):
        raise argparse.ArgumentTypeError("nothing in it can be read; expected words")
    return text.strip()


def why_option(parser: argparse.ArgumentParser, metavar: str | None = None) -> None:
    """``--why``."""
    parser.add_argument("--why", type=words, required=True, metavar=metavar, help="for people")


def by_option(parser: argparse.ArgumentParser) -> None:
    """``--by``."""
    parser.add_argument(
        "--by",
        type=words,
        metavar="NAME",
        help="who says so (default: $GITHUB_ACTOR, or the login)",
    )


def who_says(options: argparse.Namespace) -> str:
    """Who adds an event or a decision.

    Raises:
        UsageError: nobody is logged in, and no name is given.
    """
    try:
        name = options.by or os.environ.get("GITHUB_ACTOR", "").strip() or getpass.getuser()
    except (KeyError, OSError) as error:
        raise UsageError("nobody is logged in: say who you are with --by NAME") from error
    return str(name)


def workers_option(parser: argparse.ArgumentParser) -> None:
    """``--workers``."""
    parser.add_argument(
        "--workers", type=_workers, metavar="N", help="processes (default: one a core)"
    )


def _workers(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(
            f"{plain(text, 20)}: expected a whole number from 1 to {_MOST_WORKERS:,}"
        )
    return count


def leaderboard_option(parser: argparse.ArgumentParser) -> None:
    """``--leaderboard``."""
    parser.add_argument(
        "--leaderboard",
        type=Path,
        metavar="FILE",
        help="accepted verdicts (default: the one that comes with the harness)",
    )


def choose_track(name: str) -> Track:
    """The named track, as it is run here; ``auto``: the official one if it can be, else smoke.

    Raises:
        UsageError: no such track, or it is malformed.
        InfrastructureError: it uses the accelerators that are there, and the driver is broken.
    """
    from harness.contest.track import load_track
    from harness.hardware.machine import fitted, machine, missing_for

    if name != "auto":
        return fitted(load_track(name))
    official = load_track("10min_16mb")
    return load_track("smoke") if missing_for(official, machine()) else official


def choose_sandbox(
    options: argparse.Namespace,
    track: Track,
    note: Callable[[str], None],
    *,
    layout: Layout = "submission",
) -> Sandbox:
    """The sandbox that the options ask for, for an entry of this layout."""
    return registry.choose(
        options.sandbox, track=track, note=note, runtime=options.runtime, layout=layout
    )


@contextlib.contextmanager
def referee_for(
    options: argparse.Namespace,
    track: Track,
    console: Console,
    *,
    runs: Path,
    entry: Entry | None = None,
) -> Iterator[Referee]:
    """This machine as the referee; the live display ends with the block.

    The texts are looked for first: to choose a sandbox may be to build an image, for minutes.
    ``entry`` is what is run, where it is one.

    Raises:
        InfrastructureError: a dataset is missing or damaged, or no sandbox can be had.
    """
    require("torch", "sentencepiece")
    from harness.contest.entry import STOCK
    from harness.report.live import make_progress
    from harness.run.launcher.registry import LOCAL, choose
    from harness.run.launcher.settings import load_cluster
    from harness.run.referee import Referee
    from harness.run.texts import open_texts

    open_texts(track, options.data, entry.tokenizer if entry else STOCK)
    layout: Layout = entry.layout if entry else "submission"
    launcher = getattr(options, "launcher", LOCAL)
    settings = load_cluster(getattr(options, "cluster", None))
    progress = make_progress(console)
    try:
        yield Referee(
            runs=runs,
            data=options.data,
            sandbox=choose_sandbox(options, track, progress.note, layout=layout),
            launcher=choose(launcher, settings, runs=runs, data=options.data, progress=progress),
            progress=progress,
            elsewhere=settings.ask_elsewhere,
        )
    finally:
        progress.close()


def console_for(options: argparse.Namespace) -> PatientConsole:
    """The console for people: stdout, or stderr when stdout carries the JSON."""
    from harness.report.console import PatientConsole

    return PatientConsole(stderr=getattr(options, "json", None) == "-", highlight=False)


def publish_verdict(
    verdict: Verdict, options: argparse.Namespace, console: Console, *, verify: str = ""
) -> int:
    """Draw the scorecard, write the JSON if requested, and return the exit code.

    ``verify`` is the command that runs the entry again, where it was just typed.
    """
    from harness.judge.verdict import EXIT_CODES
    from harness.report.terminal import scorecard

    console.print(scorecard(verdict, verbose=options.verbose, verify=verify))
    try:
        write_json(verdict.model_dump_json(indent=2), options.json)
    except InfrastructureError as error:
        if options.json == "-":
            raise
        say(f"the verdict stands, but could not be written as JSON: {error}")
    return EXIT_CODES[verdict.verdict]


def publish_verdicts(
    done: Mapping[Path, Judged | HarnessError],
    options: argparse.Namespace,
    console: Console,
    *,
    verify: Callable[[Path], str],
) -> int:
    """Draw each scorecard, or tell why there is none; write all verdicts as a list of JSON.

    ``verify`` gives the command that runs the entry of a folder again.
    The exit code is the most pressing one of them: ours first, then malformed entries, rejected
    ones, reproduced ones.
    """
    from harness.cli.guard import EXIT_INCONCLUSIVE, EXIT_REJECTED, EXIT_USAGE
    from harness.judge.verdict import EXIT_CODES
    from harness.report.terminal import scorecard

    codes, verdicts = set(), []
    for folder, each in done.items():
        if isinstance(each, HarnessError):
            ours = isinstance(each, InfrastructureError)
            say(f"{folder}: INCONCLUSIVE: {each}" if ours else f"{folder}: {each}")
            codes.add(EXIT_INCONCLUSIVE if ours else EXIT_USAGE)
        else:
            console.print(scorecard(each.verdict, verbose=options.verbose, verify=verify(folder)))
            codes.add(EXIT_CODES[each.verdict.verdict])
            verdicts.append(each.verdict.model_dump_json(indent=2))
    write_json(f"[{','.join(verdicts)}]", options.json)
    order = (EXIT_INCONCLUSIVE, EXIT_USAGE, EXIT_REJECTED, EXIT_CODES["REPRODUCED"])
    return next((code for code in order if code in codes), 0)


def keep_scorecard(directory: Path, verdict: Verdict, *, verify: str = "") -> None:
    """Keep the scorecard as text beside the verdict that it draws.

    ``verify`` is the command that runs the entry again, where it was just typed.
    """
    from harness.evidence.places import SCORECARD
    from harness.report.terminal import render_text
    from harness.safeio.files import write_atomically

    write_atomically(directory / SCORECARD, render_text(verdict, verify=verify).encode())


def _encodable(content: str) -> str:
    """The same JSON, with escapes where standard output has no such characters."""
    try:
        content.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], content)
    return content


def write_json(content: str, path: str | None) -> None:
    """Write to a file, or to standard output for ``-``."""
    from harness.safeio.files import write_atomically

    if path == "-":
        tell(_encodable(content))
    elif path:
        write_atomically(Path(path), content.encode() + b"\n")
