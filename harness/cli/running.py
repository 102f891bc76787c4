"""Commands that inspect a submission, or run it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.extras import require
from harness.cli.guard import EXIT_INCONCLUSIVE, EXIT_REJECTED
from harness.cli.options import (
    choose_sandbox,
    command,
    console_for,
    data_option,
    json_option,
    keep_scorecard,
    publish_verdict,
    referee_for,
    sandbox_option,
    track_option,
    write_json,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.evidence.step_names import Role


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    check = command(commands, "check", _check, "judge what can be judged without running it")
    check.add_argument("submission", type=Path, help="folder of the submission")
    track_option(check, "10min_16mb")
    data_option(check)

    confirm = command(
        commands, "confirm", _confirm, "run the seeds that confirm what was accepted, and judge it"
    )
    confirm.add_argument("run", type=Path, metavar="RUN_DIR", help="directory of the verification")
    data_option(confirm)
    json_option(confirm)

    rescore = command(commands, "rescore", _rescore, "score sealed artifacts again, no training")
    rescore.add_argument("run", type=Path, metavar="RUN_DIR", help="directory of the verification")
    sandbox_option(rescore)
    data_option(rescore)
    json_option(rescore)

    work = command(
        commands, "work", _work, "make the run that a launcher wrote down: what nodes are sent"
    )
    work.add_argument("task", type=Path, metavar="TASK", help="RUN_DIR/tasks/N.json")

    seed = command(commands, "seed", _seed, "make one seed run of a verification, here and now")
    seed.add_argument("run", type=Path, metavar="RUN_DIR", help="directory of the verification")
    seed.add_argument("seed", type=int, metavar="SEED", help="one that its plan has drawn")
    data_option(seed)

    prepare = command(commands, "prepare", _prepare, "make the run that comes before any seed")
    prepare.add_argument("run", type=Path, metavar="RUN_DIR", help="directory of the verification")
    data_option(prepare)

    inspect = command(commands, "inspect", _inspect, "where the bytes of an artifact go")
    inspect.add_argument(
        "artifact", type=Path, metavar="RUN_DIR|ARTIFACT", help="a verification, or a file"
    )
    inspect.add_argument("--submission", type=Path, help="folder, when it is a lone artifact")
    track_option(inspect, "smoke")
    sandbox_option(inspect)
    inspect.add_argument("--json", metavar="PATH", help="also write it as JSON (-: stdout)")


def _check(options: argparse.Namespace) -> int:
    from harness.contest.loading import load_submission
    from harness.contest.track import load_track
    from harness.gate.precheck import precheck
    from harness.report.findings import show_findings

    submission, track = load_submission(options.submission), load_track(options.track)
    findings = precheck(submission, track)
    if submission.manifest.tokenizer is not None:
        from harness.run.tokenizer_trial import tried

        found = tried(submission, track, options.data)
        findings = [found if found and each.id == found.id else each for each in findings]
    show_findings(findings, console_for(options), title=str(options.submission))
    return EXIT_REJECTED if any(finding.status == "fail" for finding in findings) else 0


def _confirm(options: argparse.Namespace) -> int:
    from harness.evidence.store import RunDirectory
    from harness.run.verify import confirm, require_confirmable

    directory = RunDirectory.open(options.run)
    require_confirmable(directory)  # before a text is asked for, or an image built
    required = directory.plan.required
    options.sandbox, options.runtime = required.sandbox, required.runtime
    console, runs = console_for(options), directory.path.absolute().parent
    plan = directory.plan
    with referee_for(options, plan.track, console, runs=runs, entry=plan.entry) as referee:
        judged = confirm(directory, referee)
    keep_scorecard(judged.directory, judged.verdict)
    return publish_verdict(judged.verdict, options, console)


def _rescore(options: argparse.Namespace) -> int:
    from harness.evidence.store import RunDirectory
    from harness.run.verify import require_rescorable, rescore

    original = RunDirectory.open(options.run)
    require_rescorable(original)  # before a text is asked for, or an image built
    console = console_for(options)
    runs = original.path.absolute().parent
    plan = original.plan
    with referee_for(options, plan.track, console, runs=runs, entry=plan.entry) as referee:
        judged = rescore(original, referee)
    keep_scorecard(judged.directory, judged.verdict)
    return publish_verdict(judged.verdict, options, console)


def _seed(options: argparse.Namespace) -> int:
    return _one_run(options, role="seed", seed=options.seed)


def _prepare(options: argparse.Namespace) -> int:
    return _one_run(options, role="preparation", seed=0)


def _work(options: argparse.Namespace) -> int:
    """Make the run of an order; the exit code says whether its evidence counts."""
    from harness.report.console import PatientConsole
    from harness.report.live import make_progress
    from harness.run.launcher.desk import open_record
    from harness.run.launcher.work import work

    require("torch", "sentencepiece")
    record = open_record(options.task)
    progress = make_progress(PatientConsole(highlight=False))
    try:
        run = work(record, progress)
    finally:
        progress.close()
    return EXIT_INCONCLUSIVE if run is None or run.lost else 0


def _one_run(options: argparse.Namespace, *, role: Role, seed: int) -> int:
    """Make one try of one draw; the exit code says whether its evidence counts."""
    from harness.evidence.store import RunDirectory
    from harness.judge.rules.seeds import used_up
    from harness.report.console import PatientConsole
    from harness.report.live import make_progress
    from harness.run.elsewhere import next_task
    from harness.run.seed_run import run_task

    require("torch", "sentencepiece")
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
    try:
        run = run_task(next_task(directory, draws[0]), data=options.data, progress=progress)
    finally:
        progress.close()
    return EXIT_INCONCLUSIVE if run.lost else 0


def _inspect(options: argparse.Namespace) -> int:
    from harness.contest.loading import load_submission
    from harness.contest.track import load_track
    from harness.evidence.store import RunDirectory
    from harness.report.inspection import inspection_table
    from harness.run.inspect_artifact import inspect_file, inspect_run
    from harness.run.one_at_a_time import on_this_machine

    console = console_for(options)
    at_work = on_this_machine(alone=False, note=console.note)
    if options.artifact.is_dir():
        directory = RunDirectory.open(options.artifact)
        plan = directory.plan
        sandbox = choose_sandbox(options, plan.track, console.note, layout=plan.entry.layout)
        sandbox.prepare()
        with at_work:
            found = inspect_run(directory, sandbox)
    elif options.submission:
        submission, track = load_submission(options.submission), load_track(options.track)
        sandbox = choose_sandbox(options, track, console.note)
        sandbox.prepare()
        entry = submission.entry(track.settings)
        with at_work:
            found = inspect_file(options.artifact, entry, submission.contents, track, sandbox)
    else:
        raise UsageError(
            "not a run directory; a lone artifact needs --submission FOLDER", file=options.artifact
        )
    console.print(inspection_table(found))
    write_json(found.model_dump_json(indent=2), options.json)
    return 0
