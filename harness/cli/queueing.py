"""The command that says what waits, runs, is done or lost."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import command, console_for, write_json
from harness.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from harness.run.launcher.settings import Cluster
    from harness.run.launcher.site import JobState, Site
    from harness.run.queue import QueueReader

_REFRESH_SECONDS = 2.0
_MOST_SHOWN = 30


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    queue = command(commands, "queue", _queue, "what waits, runs, is done or lost")
    queue.add_argument("runs", type=Path, metavar="RUNS", help="the directory that --runs named")
    queue.add_argument("--cluster", type=Path, metavar="FILE", help="as of verify")
    queue.add_argument(
        "--once", action="store_true", help="say it once, also in a terminal, and end"
    )
    queue.add_argument("--json", metavar="PATH", help="write it as JSON instead (-: stdout)")


def _queue(options: argparse.Namespace) -> int:
    from harness.report.queue import queue_table
    from harness.run.launcher.settings import load_cluster
    from harness.run.queue import QueueReader

    if not options.runs.is_dir():
        raise UsageError("no such directory; expected the one that --runs named", file=options.runs)
    reader = QueueReader(options.runs, _Sites(load_cluster(options.cluster)).asked)
    if options.json:
        write_json(reader.read().model_dump_json(indent=2), options.json)
        return 0
    console = console_for(options)
    if console.is_terminal and not console.is_dumb_terminal and not options.once:
        _watch(reader)
    console.print(queue_table(reader.read()))
    return 0


def _watch(reader: QueueReader) -> None:
    """Show it again and again, until nothing is under way or it is interrupted."""
    from rich.live import Live

    from harness.report.console import PatientConsole
    from harness.report.queue import queue_table

    try:
        with Live(console=PatientConsole(highlight=False), transient=True) as live:
            while True:
                began = time.monotonic()
                queue = reader.read()
                live.update(queue_table(queue, most=_MOST_SHOWN), refresh=True)
                if not queue.goes_on:
                    return
                # On a large directory most of the time is spent waiting, not reading.
                time.sleep(max(_REFRESH_SECONDS, 4 * (time.monotonic() - began)))
    except KeyboardInterrupt:
        return


class _Sites:
    """The sites that answer here; each is opened when it is first asked for."""

    def __init__(self, settings: Cluster) -> None:
        self._settings = settings
        self._open: dict[str, Site | None] = {}

    def asked(self, launcher: str, names: Mapping[str, str]) -> Mapping[str, JobState] | None:
        """The states of jobs that one launcher has sent; None where its site does not answer."""
        from harness.run.launcher.registry import LAUNCHERS

        if launcher not in self._open:
            opens = {kind.name: kind.site for kind in LAUNCHERS}.get(launcher)
            try:
                self._open[launcher] = opens(self._settings) if opens else None
            except InfrastructureError:
                self._open[launcher] = None
        site = self._open[launcher]
        try:
            return site.states(names) if site else None
        except InfrastructureError:
            return None
