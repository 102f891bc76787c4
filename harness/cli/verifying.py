"""The command that runs entries and judges them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.entries import entry_of, entry_options
from harness.cli.guard import EXIT_INCONCLUSIVE
from harness.cli.options import (
    choose_sandbox,
    choose_track,
    command,
    console_for,
    data_option,
    json_option,
    keep_scorecard,
    leaderboard_option,
    publish_verdict,
    publish_verdicts,
    referee_for,
    runs_option,
    sandbox_option,
    track_option,
    write_json,
)
from harness.cli.page import page_options, publish_page, require_page
from harness.errors import HarnessError, SubmissionError, UsageError
from harness.run.launcher import registry as launchers
from harness.sandbox import registry

if TYPE_CHECKING:
    from harness.adopt.entered import Entered
    from harness.contest.track import Track
    from harness.evidence.earlier import Earlier
    from harness.evidence.step_names import StepName
    from harness.evidence.store import RunDirectory
    from harness.run.referee import Judged, Referee

_LARGEST_SEED_DIGITS = 10
_SLOWEST = 1000


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    verify = command(commands, "verify", _verify, "run submissions and judge them")
    verify.add_argument(
        "submission",
        type=Path,
        nargs="+",
        help="folder of a submission, or one in upstream's layout; several share the machines",
    )
    entry_options(verify)
    track_option(verify, "auto")
    sandbox_option(verify)
    verify.add_argument(
        "--launcher",
        choices=launchers.names(),
        default=launchers.LOCAL,
        help="; ".join(f"{kind.name}: {kind.what}" for kind in launchers.LAUNCHERS)
        + " (default: %(default)s)",
    )
    verify.add_argument(
        "--cluster",
        type=Path,
        metavar="FILE",
        help="what the site needs, as TOML (docs/cluster.md)",
    )
    verify.add_argument(
        "--seeds", default="auto", help="auto (drawn), or numbers such as 1,2,3: never a record"
    )
    runs_option(verify)
    verify.add_argument(
        "--resume",
        action="store_true",
        help="finish the latest unfinished verification; of several, also begin the others",
    )
    verify.add_argument(
        "--new-draw",
        action="store_true",
        help="begin anew although an earlier verification is unfinished or INCONCLUSIVE; "
        "the verdict tells it",
    )
    verify.add_argument(
        "--slow",
        type=_factor,
        default=1.0,
        metavar="FACTOR",
        help="multiply every budget, on a slow or busy machine: a rehearsal, never a record",
    )
    verify.add_argument(
        "--quantization-gap",
        action="store_true",
        help="also score the unquantized weights that training left, as information",
    )
    verify.add_argument(
        "--plan",
        action="store_true",
        help="say which runs, how long, how much disk and what this machine lacks; run nothing",
    )
    data_option(verify)
    leaderboard_option(verify)
    page_options(verify)
    json_option(verify)


def _verify(options: argparse.Namespace) -> int:
    from harness.hardware.machine import check_machine

    seeds = _seeds(options.seeds)
    _check_options(options, seeds)
    track = choose_track(options.track)
    if options.plan:
        return _plan(options, track, seeds)
    require_page(options)
    if options.launcher == launchers.LOCAL:
        check_machine(track)  # else each node is held to it
    if len(options.submission) > 1:
        return _verify_all(options, track, seeds)
    (folder,) = options.submission
    wanted, console = entry_of(folder, track, options), console_for(options)
    with referee_for(options, track, console, runs=options.runs, entry=wanted.entry) as referee:
        judged = _judged(options, track, wanted, referee, seeds)
    keep_scorecard(judged.directory, judged.verdict, verify=_typed(options))
    code = publish_verdict(judged.verdict, options, console, verify=_typed(options))
    publish_page(judged.directory, options, verify=_typed(options))
    return code


def _tell_of_a_busy_machine(options: argparse.Namespace, track: Track, referee: Referee) -> None:
    """Say before the first run that the budgets are too short for this machine as it is."""
    from harness.hardware.machine import load_average, machine
    from harness.judge.slowness import is_busy

    if options.launcher != launchers.LOCAL or options.slow != 1 or not track.rehearsal:
        return
    load, cores = load_average(), machine(needs_accelerators=False).cores
    if load is not None and is_busy(load, cores):
        referee.progress.note(
            f"load average {load:.1f} on {cores} cores: budgets are those of a quiet machine; "
            "--slow 4 gives four times as much, and the verdict tells it"
        )


def _check_options(options: argparse.Namespace, seeds: tuple[int, ...] | None) -> None:
    """Refuse what makes no sense together."""
    if options.resume and seeds:
        raise UsageError("--resume goes on with the seeds it was begun with: leave out --seeds")
    if options.resume and options.slow != 1:
        raise UsageError("--resume goes on with the budgets it was begun with: leave out --slow")
    if options.resume and options.new_draw:
        raise UsageError("--resume goes on with the draw that there is: leave out --new-draw")
    if options.cluster and options.launcher == launchers.LOCAL:
        raise UsageError("--cluster is about other machines: name them with --launcher")
    several = [str(folder) for folder in options.submission]
    if len(several) > 1 and options.plan:
        raise UsageError("--plan is about one submission: name one")
    if len(several) > 1 and (options.report or options.open):
        raise UsageError(
            "--report and --open are about one submission: name one, or make each page afterwards "
            "with harness report"
        )
    if len(several) > 1 and options.bridge:
        raise UsageError("--bridge is about one folder: name one")
    if len(set(several)) < len(several):
        raise UsageError("a submission is named twice: name each once")


def _judged(
    options: argparse.Namespace,
    track: Track,
    wanted: Entered,
    referee: Referee,
    seeds: tuple[int, ...] | None,
) -> Judged:
    """Finish what was begun, or begin one entry and finish it."""
    from harness.evidence.earlier import Earlier
    from harness.run.verify import finish

    if options.resume:
        earlier = Earlier(options.runs)
        return finish([_unfinished(earlier, track, wanted)], referee)[0]
    begun = _begun(options, track, wanted, referee, seeds)
    _tell_of_a_busy_machine(options, track, referee)
    return finish([begun], referee)[0]


def _unfinished(earlier: Earlier, track: Track, wanted: Entered) -> RunDirectory:
    return earlier.unfinished(entry_digest=wanted.entry.digest, track_digest=track.digest)


def _begun(
    options: argparse.Namespace,
    track: Track,
    wanted: Entered,
    referee: Referee,
    seeds: tuple[int, ...] | None,
    *,
    earlier: Earlier | None = None,
) -> RunDirectory:
    """Fix the plan of one entry."""
    from harness.ledger.file import default_path
    from harness.ledger.leaderboard import bar_of
    from harness.ledger.tries import tries_of
    from harness.run.plan import Wishes
    from harness.run.verify import StillOpenError, begin

    board, entry, files = options.leaderboard or default_path(), wanted.entry, wanted.files
    bar = bar_of(track, board)
    also: tuple[StepName, ...] = ("unquantized",) if options.quantization_gap else ()
    try:
        return begin(
            *(entry, files, track, referee),
            bridge=wanted.bridge,
            bar=bar,
            tries=tries_of(entry, files, track, board, bar=bar),
            wishes=Wishes(
                seeds=seeds, also=also, new_draw=options.new_draw, time_scale=options.slow
            ),
            earlier=earlier,
        )
    except StillOpenError as error:
        finishing = _confirming(options, error) if error.unconfirmed else _resuming(options)
        raise UsageError(
            error.detail,
            file=error.file,
            remedy=f"{finishing}; or ask for another draw with --new-draw, which the verdict tells",
        ) from error


def _verify_all(options: argparse.Namespace, track: Track, seeds: tuple[int, ...] | None) -> int:
    """Begin each of several entries, then finish all of them together.

    What is wrong with one of them is told at once, and once more at the end.
    """
    from harness.evidence.earlier import Earlier
    from harness.run.finishing import finish

    console = console_for(options)
    earlier = Earlier(options.runs)
    failed: dict[Path, HarnessError] = {}
    begun: dict[Path, RunDirectory] = {}

    def again(folder: Path) -> str:
        return _typed(options, [folder])

    with referee_for(options, track, console, runs=options.runs) as referee:
        for folder in options.submission:
            try:
                begun[folder] = _directory(options, track, folder, referee, seeds, earlier=earlier)
            except (SubmissionError, UsageError) as error:
                failed[folder] = error
                referee.progress.note(f"{folder} is left out: {error.message}")

        def told(judged: Judged) -> None:
            command = again(folders[judged.directory])
            keep_scorecard(judged.directory, judged.verdict, verify=command)
            word = judged.verdict.verdict
            referee.progress.note(f"{judged.directory.name}: {word}: {judged.verdict.reason}")

        _tell_of_a_busy_machine(options, track, referee)
        folders = {directory.path: folder for folder, directory in begun.items()}
        # Folders with the same content are one entry: resumed, they are one verification.
        each = {directory.path: directory for directory in begun.values()}
        results = dict(zip(each, finish(list(each.values()), referee, judged=told), strict=True))
    finished = {folder: results[directory.path] for folder, directory in begun.items()}
    done: dict[Path, Judged | HarnessError] = {**failed, **finished}
    return publish_verdicts(
        {folder: done[folder] for folder in options.submission}, options, console, verify=again
    )


def _directory(
    options: argparse.Namespace,
    track: Track,
    folder: Path,
    referee: Referee,
    seeds: tuple[int, ...] | None,
    *,
    earlier: Earlier,
) -> RunDirectory:
    """The verification of one of several entries: the unfinished one, or a new one."""
    wanted = entry_of(folder, track, options)
    if options.resume:
        with suppress(UsageError):
            return _unfinished(earlier, track, wanted)
        last = earlier.last(entry_digest=wanted.entry.digest, track_digest=track.digest)
        if last is not None:
            return last
    if wanted.entry.layout != "submission":
        layout, note = wanted.entry.layout, referee.progress.note
        referee = replace(referee, sandbox=choose_sandbox(options, track, note, layout=layout))
    return _begun(options, track, wanted, referee, seeds, earlier=earlier)


def _plan(options: argparse.Namespace, track: Track, seeds: tuple[int, ...] | None) -> int:
    """Say what it would take; the exit code says whether this machine could do it."""
    from harness.data.format.manifest import MANIFEST_NAME, load_manifest
    from harness.doctor import examine
    from harness.hardware.machine import disk_free_bytes
    from harness.report.findings import show_findings
    from harness.report.outlook import outlook_table
    from harness.run.outlook import outlook

    if options.resume:
        raise UsageError("--plan is about a verification that is not begun: leave out --resume")
    (folder,) = options.submission
    entry = entry_of(folder, track, options).entry
    path = options.data / track.dataset.name / MANIFEST_NAME
    manifest = load_manifest(path) if path.is_file() else None
    found = outlook(entry, track, manifest, seeds=seeds, time_scale=options.slow)
    console = console_for(options)
    console.print(outlook_table(found, free_bytes=disk_free_bytes(options.runs)))
    findings = examine(track, data=options.data, runs=options.runs, tokenizer=entry.tokenizer)
    console.print()
    show_findings(findings, console, title="This machine")
    write_json(found.model_dump_json(indent=2), options.json)
    return EXIT_INCONCLUSIVE if any(finding.status == "fail" for finding in findings) else 0


def _typed(options: argparse.Namespace, folders: Sequence[Path] | None = None) -> str:
    """The command that runs the same entries again: what was typed, without what is the default."""
    words = ["harness", "verify", *map(str, folders or options.submission)]
    for name, default in (
        ("track", "auto"),
        ("sandbox", registry.AUTO),
        ("runtime", ""),
        ("launcher", launchers.LOCAL),
        ("cluster", None),
        ("runs", Path("runs")),
        ("data", Path("data")),
        ("layout", "auto"),
        ("bridge", None),
        ("leaderboard", None),
    ):
        given = getattr(options, name)
        if given != default:
            words += [f"--{name}", str(given)]
    return shlex.join(words)


def _resuming(options: argparse.Namespace) -> str:
    """The command that resumes what was begun."""
    return f"{_typed(options)} --resume"


def _confirming(options: argparse.Namespace, error: UsageError) -> str:
    """The command that confirms what was begun."""
    return shlex.join(["harness", "confirm", str(error.file), "--data", str(options.data)])


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= _SLOWEST:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {_SLOWEST:,}")
    return factor


def _seeds(text: str) -> tuple[int, ...] | None:
    from harness.evidence.plan import MOST_DRAWS

    if text == "auto":
        return None
    words = [word.strip() for word in text.split(",")]
    short = all(word.isdecimal() and len(word) <= _LARGEST_SEED_DIGITS for word in words)
    seeds = tuple(int(word) for word in words) if short else ()
    if not short or max(seeds) >= 1 << 31:
        raise UsageError(f"--seeds {text[:100]}: expected auto, or numbers such as 1,2,3")
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"--seeds {text[:100]}: a seed is given twice")
    most = MOST_DRAWS - 2  # a preparation and a reproduction may be beside them
    if len(seeds) > most:
        raise UsageError(f"--seeds {text[:100]}: expected at most {most}, found {len(seeds):,}")
    return seeds
