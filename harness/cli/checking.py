"""``harness adopt --check``: runs scripts small, and compares our loss with the one they print."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.guard import EXIT_INCONCLUSIVE, EXIT_REJECTED
from harness.cli.options import (
    choose_sandbox,
    choose_track,
    data_option,
    sandbox_option,
    track_option,
)
from harness.errors import HarnessError, InfrastructureError, SubmissionError

if TYPE_CHECKING:
    from harness.adopt.adoption import Adoption
    from harness.contest.bridge import Bridge
    from harness.report.console import PatientConsole
    from harness.run.folder_check import FolderCheck

_LONGEST_RUN_SECONDS = 100_000
_CHECK_SECONDS = 600


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--check`` and the options that it alone looks at."""
    check = parser.add_argument_group("proof", "whether bridges are right, one after another")
    check.add_argument(
        "--check",
        action="store_true",
        help="run the script small, take it over, and compare our loss under its own windows with "
        "the one it prints; nothing is trained in earnest",
    )
    check.add_argument(
        "--bridge", type=Path, metavar="PATH", help="check this bridge, not the one that is found"
    )
    check.add_argument(
        "--seconds",
        type=_seconds,
        default=_CHECK_SECONDS,
        metavar="N",
        help="that each run of a script may take (default: %(default)s)",
    )
    check.add_argument("--log", type=Path, metavar="PATH", help="keep there what the runs printed")
    track_option(check, "smoke")
    sandbox_option(check)
    data_option(check)


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= _LONGEST_RUN_SECONDS:
        said = f"expected a whole number from 1 to {_LONGEST_RUN_SECONDS:,}"
        raise argparse.ArgumentTypeError(said)
    return int(text)


def check_folders(
    options: argparse.Namespace,
    folders: Sequence[Path],
    adoptions: Sequence[Adoption],
    console: PatientConsole,
) -> list[FolderCheck]:
    """Check the bridge of each folder, and show what came of it.

    Raises:
        UsageError: the track, or the bridge that was given, is none.
        InfrastructureError: something of ours is missing or failed, for a single folder; of
            several, the others are still checked.
    """
    from harness.cli.entries import read_bridge
    from harness.report.checks import show_check

    given = read_bridge(options.bridge) if options.bridge is not None else None
    checks = []
    for folder, adoption in zip(folders, adoptions, strict=True):
        try:
            check = _check(options, folder, given or adoption.bridge, adoption, console)
        except InfrastructureError as error:
            if len(folders) == 1:
                raise
            check = _unchecked(options, error)
        except SubmissionError as error:
            check = _unchecked(options, error)
        show_check(check, console, name="" if len(folders) == 1 else adoption.name)
        checks.append(check)
    return checks


def _check(
    options: argparse.Namespace,
    folder: Path,
    bridge: Bridge | None,
    adoption: Adoption,
    console: PatientConsole,
) -> FolderCheck:
    from harness.run.folder_check import check_folder
    from harness.run.one_at_a_time import on_this_machine
    from harness.upstream.folder import RecordFolder

    if bridge is None or not bridge.asked:
        said = "; ".join((*adoption.reasons, *adoption.missing))[:1000]
        raise SubmissionError(f"no bridge leads to its model, so nothing was run: {said}")
    track = choose_track(options.track)
    sandbox = choose_sandbox(options, track, console.note, layout="upstream")
    with on_this_machine(alone=False, note=console.note):
        return check_folder(
            *(RecordFolder(folder), bridge, track, sandbox),
            data=options.data,
            seconds=options.seconds,
            log=options.log,
        )


def _unchecked(options: argparse.Namespace, error: HarnessError) -> FolderCheck:
    from harness.run.folder_check import FolderCheck

    lost = isinstance(error, InfrastructureError)
    return FolderCheck(
        outcome="lost" if lost else "failed",
        track=options.track,
        sandbox=options.sandbox,
        problem=str(error)[:1000],
        seconds=0.0,
    )


def exit_code_of(checks: Sequence[FolderCheck]) -> int:
    """0 where every loss is the printed one, 3 where something of ours failed, else 1."""
    outcomes = {check.outcome for check in checks}
    if "lost" in outcomes:
        return EXIT_INCONCLUSIVE
    return EXIT_REJECTED if outcomes - {"agrees"} else 0
