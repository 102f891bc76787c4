"""Commands that inspect a submission, or run it."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.guard import EXIT_INCONCLUSIVE, EXIT_REJECTED
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
    referee_for,
    runs_option,
    sandbox_option,
    track_option,
    write_json,
)
from harness.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from harness.evidence.step_names import Role, StepName

_LARGEST_SEED_DIGITS = 10


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    verify = command(commands, "verify", _verify, "run a submission and judge it")
    verify.add_argument("submission", type=Path, help="folder of the submission")
    track_option(verify, "auto")
    sandbox_option(verify)
    verify.add_argument(
        "--seeds", default="auto", help="auto (drawn), or numbers such as 1,2,3: never a record"
    )
    runs_option(verify)
    verify.add_argument(
        "--resume", action="store_true", help="finish the latest unfinished verification"
    )
    verify.add_argument(
        "--new-draw",
        action="store_true",
        help="begin anew although an earlier verification is unfinished or INCONCLUSIVE; "
        "the verdict tells it",
    )
    verify.add_argument(
        "--quantization-gap",
        action="store_true",
        help="also score the unquantized weights that training left, as information",
    )
    data_option(verify)
    leaderboard_option(verify)
    json_option(verify)

    check = command(commands, "check", _check, "judge what can be judged without running it")
    check.add_argument("submission", type=Path, help="folder of the submission")
    track_option(check, "10min_16mb")

    confirm = command(
        commands, "confirm", _confirm, "run the seeds that confirm what was accepted, and judge it"
    )
    confirm.add_argument("run", type=Path, metavar="RUN_DIR")
    data_option(confirm)
    json_option(confirm)

    rescore = command(commands, "rescore", _rescore, "score sealed artifacts again, no training")
    rescore.add_argument("run", type=Path, metavar="RUN_DIR")
    sandbox_option(rescore)
    data_option(rescore)
    json_option(rescore)

    seed = command(commands, "seed", _seed, "make one seed run of a verification, here and now")
    seed.add_argument("run", type=Path, metavar="RUN_DIR")
    seed.add_argument("seed", type=int, metavar="SEED")
    data_option(seed)

    prepare = command(commands, "prepare", _prepare, "make the run that comes before any seed")
    prepare.add_argument("run", type=Path, metavar="RUN_DIR")
    data_option(prepare)

    inspect = command(commands, "inspect", _inspect, "where the bytes of an artifact go")
    inspect.add_argument("artifact", type=Path, metavar="RUN_DIR|ARTIFACT")
    inspect.add_argument("--submission", type=Path, help="folder, when it is a lone artifact")
    track_option(inspect, "smoke")
    sandbox_option(inspect)
    inspect.add_argument("--json", metavar="PATH", help="also write it as JSON (-: stdout)")


def _verify(options: argparse.Namespace) -> int:
    from harness.contest.loading import load_submission
    from harness.contest.submission import check_on_track
    from harness.evidence.earlier import find_unfinished
    from harness.hardware.machine import machine, missing_for
    from harness.ledger.file import default_path
    from harness.ledger.leaderboard import bar_of
    from harness.ledger.tries import tries_of
    from harness.run.plan import Wishes
    from harness.run.verify import StillOpenError, finish, verify

    submission = load_submission(options.submission)
    seeds = _seeds(options.seeds)
    if options.resume and seeds:
        raise UsageError("--resume goes on with the seeds it was begun with: leave out --seeds")
    if options.resume and options.new_draw:
        raise UsageError("--resume goes on with the draw that there is: leave out --new-draw")
    track = choose_track(options.track)
    here = machine(needs_accelerators=track.hardware.accelerators > 0)
    if missing := missing_for(track, here):
        raise InfrastructureError(
            f"this machine does not meet track {track.name}: {'; '.join(missing)}",
            remedy="run it on a machine that does, or rehearse with --track smoke",
        )
    check_on_track(submission, track)
    entry, console = submission.entry(track.name), console_for(options)
    with referee_for(options, track, console, runs=options.runs) as referee:
        if options.resume:
            unfinished = find_unfinished(
                options.runs, entry_digest=entry.digest, track_digest=track.digest
            )
            judged = finish([unfinished], referee)[0]
        else:
            board, files = options.leaderboard or default_path(), submission.contents
            bar = bar_of(track, board)
            tries = tries_of(entry, files, track, board, bar=bar)
            also: tuple[StepName, ...] = ("unquantized",) if options.quantization_gap else ()
            wishes = Wishes(seeds=seeds, also=also, new_draw=options.new_draw)
            try:
                judged = verify(entry, files, track, referee, bar=bar, tries=tries, wishes=wishes)
            except StillOpenError as error:
                finishing = _confirming(options, error) if error.unconfirmed else _resuming(options)
                raise UsageError(
                    error.detail,
                    file=error.file,
                    remedy=f"{finishing}; or ask for another draw with --new-draw, which "
                    "the verdict tells",
                ) from error
    keep_scorecard(judged.directory, judged.verdict)
    return publish_verdict(judged.verdict, options, console)


def _resuming(options: argparse.Namespace) -> str:
    """The command that resumes what was begun."""
    words = ["harness", "verify", str(options.submission), "--track", options.track]
    words += ["--sandbox", options.sandbox, "--runs", str(options.runs)]
    words += ["--data", str(options.data), "--resume"]
    words += ["--runtime", options.runtime] if options.runtime else []
    return shlex.join(words)


def _confirming(options: argparse.Namespace, error: UsageError) -> str:
    """The command that confirms what was begun."""
    return shlex.join(["harness", "confirm", str(error.file), "--data", str(options.data)])


def _check(options: argparse.Namespace) -> int:
    from harness.contest.loading import load_submission
    from harness.contest.track import load_track
    from harness.gate.precheck import precheck
    from harness.report.findings import show_findings

    submission = load_submission(options.submission)
    findings = precheck(submission, load_track(options.track))
    show_findings(findings, console_for(options), title=str(options.submission))
    return EXIT_REJECTED if any(finding.status == "fail" for finding in findings) else 0


def _confirm(options: argparse.Namespace) -> int:
    from harness.evidence.store import RunDirectory
    from harness.run.verify import confirm

    directory = RunDirectory.open(options.run)
    required = directory.plan.required
    options.sandbox, options.runtime = required.sandbox, required.runtime
    console, runs = console_for(options), directory.path.absolute().parent
    with referee_for(options, directory.plan.track, console, runs=runs) as referee:
        judged = confirm(directory, referee)
    keep_scorecard(judged.directory, judged.verdict)
    return publish_verdict(judged.verdict, options, console)


def _rescore(options: argparse.Namespace) -> int:
    from harness.evidence.store import RunDirectory
    from harness.run.verify import rescore

    original = RunDirectory.open(options.run)
    console = console_for(options)
    runs = original.path.absolute().parent
    with referee_for(options, original.plan.track, console, runs=runs) as referee:
        judged = rescore(original, referee)
    keep_scorecard(judged.directory, judged.verdict)
    return publish_verdict(judged.verdict, options, console)


def _seed(options: argparse.Namespace) -> int:
    return _one_run(options, role="seed", seed=options.seed)


def _prepare(options: argparse.Namespace) -> int:
    return _one_run(options, role="preparation", seed=0)


def _one_run(options: argparse.Namespace, *, role: Role, seed: int) -> int:
    """Make one try of one draw; the exit code says whether its evidence counts."""
    from harness.evidence.store import RunDirectory
    from harness.judge.rules.seeds import used_up
    from harness.report.console import PatientConsole
    from harness.report.live import make_progress
    from harness.run.launcher.protocol import Task
    from harness.run.seed_run import run_task

    directory = RunDirectory.open(options.run)
    draws = [d for d in directory.plan.draws if d.role == role and d.seed == seed]
    if not draws:
        known = ", ".join(str(d.seed) for d in directory.plan.draws if d.role == role) or "none"
        problem = f"{role} {seed}: not in its plan; expected one of {known}"
        raise UsageError(problem, file=options.run)
    done = directory.counted(draws[0])
    if done is not None and not done.lost:
        raise UsageError("this run is made, and it counts", file=directory.directory_of(done))
    if draws[0] in directory.used_up() and not directory.plan.rehearsal:
        raise UsageError(used_up(draws[:1]), file=directory.draw_directory(draws[0]))
    progress = make_progress(PatientConsole(highlight=False))
    attempt = directory.attempts(draws[0]) + 1
    try:
        task = Task(directory.path, draws[0].number, attempt=attempt)
        run = run_task(task, data=options.data, progress=progress)
    finally:
        progress.close()
    return EXIT_INCONCLUSIVE if run.lost else 0


def _inspect(options: argparse.Namespace) -> int:
    from harness.contest.loading import load_submission
    from harness.contest.track import load_track
    from harness.evidence.store import RunDirectory
    from harness.report.inspection import inspection_table
    from harness.run.inspect_artifact import inspect_file, inspect_run

    console = console_for(options)
    if options.artifact.is_dir():
        directory = RunDirectory.open(options.artifact)
        sandbox = choose_sandbox(options, directory.plan.track, console.print)
        sandbox.prepare()
        found = inspect_run(directory, sandbox)
    elif options.submission:
        submission, track = load_submission(options.submission), load_track(options.track)
        sandbox = choose_sandbox(options, track, console.print)
        sandbox.prepare()
        entry = submission.entry(track.name)
        found = inspect_file(options.artifact, entry, submission.contents, track, sandbox)
    else:
        raise UsageError(
            "not a run directory; a lone artifact needs --submission FOLDER", file=options.artifact
        )
    console.print(inspection_table(found))
    write_json(found.model_dump_json(indent=2), options.json)
    return 0


def _seeds(text: str) -> tuple[int, ...] | None:
    if text == "auto":
        return None
    words = [word.strip() for word in text.split(",")]
    short = all(word.isdecimal() and len(word) <= _LARGEST_SEED_DIGITS for word in words)
    seeds = tuple(int(word) for word in words) if short else ()
    if not short or max(seeds) >= 1 << 31:
        raise UsageError(f"--seeds {text[:100]}: expected auto, or numbers such as 1,2,3")
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"--seeds {text[:100]}: a seed is given twice")
    return seeds
