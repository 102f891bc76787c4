"""Commands that only read, and run nothing: the gate on pull requests, the audit of records."""

from __future__ import annotations

import argparse
from pathlib import Path, PurePosixPath

from harness.cli.guard import EXIT_REJECTED
from harness.cli.options import command, console_for, track_option, workers_option, write_json
from harness.errors import UsageError
from harness.safeio.output import tell


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    _gate_command(commands)
    _audit_command(commands)


def _gate_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    gate = command(commands, "gate", _gate, "judge the submission of a pull request, unrun")
    for option, what in (("base", "to be merged into"), ("head", "proposed")):
        gate.add_argument(f"--{option}", required=True, metavar="REV", help=f"revision {what}")
    gate.add_argument(
        "--repository", type=Path, default=Path(), metavar="DIR", help="the clone (default: .)"
    )
    gate.add_argument(
        "--submissions",
        type=PurePosixPath,
        default=PurePosixPath("submissions"),
        metavar="DIR",
        help="folder of the submissions inside the repository (default: %(default)s)",
    )
    track_option(gate, "10min_16mb")
    gate.add_argument(
        "--layout",
        choices=("contract", "record"),
        default="contract",
        help="what a submission's folder holds: ours, or upstream's with its logs",
    )
    gate.add_argument(
        "--policy", default="strict", help="of the audit, or a .toml file (default: %(default)s)"
    )
    gate.add_argument("--none-passes", action="store_true", help="pass what touches no submission")
    gate.add_argument(
        "--unpack", type=Path, metavar="DIR", help="write a submission that passes there"
    )
    gate.add_argument(
        "--format",
        choices=("table", "github", "markdown", "junit", "json"),
        default="table",
        help="of what is printed; github: annotations (default: %(default)s)",
    )
    for option, what in (("summary", "Markdown"), ("junit", "JUnit's XML"), ("json", "JSON")):
        gate.add_argument(f"--{option}", metavar="PATH", help=f"also write it as {what}")


def _audit_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    audit = command(commands, "audit", _audit, "read a record's own evidence; runs nothing")
    audit.epilog = (
        "exit codes: 0 when no folder fails (what is unknown does not fail), 1 when one does, "
        "2 wrong usage"
    )
    audit.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="a record, or a directory of them"
    )
    track_option(audit, "10min_16mb")
    audit.add_argument(
        "--policy",
        default="strict",
        metavar="NAME",
        help="strict, readme, practice or a .toml file; several with commas (default: strict)",
    )
    audit.add_argument(
        "--compare", action="store_true", help="the same evidence under all policies, side by side"
    )
    audit.add_argument(
        "--against",
        metavar="FOLDER|BPB",
        help="what to beat (default: the track's bar; of several folders, the best before each)",
    )
    audit.add_argument(
        "--format",
        choices=("table", "markdown", "github", "junit"),
        default="table",
        help="of what is printed; github: annotations (default: %(default)s)",
    )
    workers_option(audit)
    audit.add_argument("--json", metavar="PATH", help="also write it as JSON (-: stdout)")


def _gate(options: argparse.Namespace) -> int:
    from harness.audit.policy import load_policy
    from harness.contest.track import load_track
    from harness.gate.gate import gate
    from harness.report.gate import gate_text, show_gate
    from harness.safeio.files import write_atomically

    report = gate(
        options.repository,
        base=options.base,
        head=options.head,
        root=options.submissions,
        track=load_track(options.track),
        layout=options.layout,
        policy=load_policy(options.policy),
        none_passes=options.none_passes,
        unpack=options.unpack,
    )
    if options.summary:
        write_atomically(Path(options.summary), gate_text(report, "markdown").encode())
    if options.junit:
        write_atomically(Path(options.junit), gate_text(report, "junit").encode())
    if options.format == "table":
        show_gate(report, console_for(options))
    else:
        tell(gate_text(report, options.format).rstrip("\n"))
    write_json(report.model_dump_json(indent=2), options.json)
    return 0 if report.passed else EXIT_REJECTED


def _audit(options: argparse.Namespace) -> int:
    from harness.audit.many import audit_records, find_records, order_of
    from harness.contest.track import load_track
    from harness.report.audit import publish

    order = order_of(
        load_track(options.track),
        policies=options.policy,
        compare=options.compare,
        against=options.against,
    )
    if options.json == "-" and options.format != "table":
        raise UsageError(f"--json - and --format {options.format} both write to standard output")
    folders = find_records(options.folders)
    failed = publish(
        audit_records(folders, order, workers=options.workers),
        console_for(options),
        form=options.format,
        json=options.json,
        many=len(folders) > 1,
    )
    return EXIT_REJECTED if failed else 0
