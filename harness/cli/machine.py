"""Commands about this machine: its sandbox image, and what the machine lacks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.cli.guard import EXIT_INCONCLUSIVE
from harness.cli.options import (
    choose_track,
    command,
    console_for,
    data_option,
    leaderboard_option,
    runs_option,
    runtime_option,
    track_option,
    write_json,
)
from harness.errors import InfrastructureError, UsageError
from harness.safeio.output import tell
from harness.sandbox.backend import Asked
from harness.sandbox.docker.build_files import told_path
from harness.sandbox.docker.kinds import KINDS, recipe_of
from harness.sandbox.registry import isolating, self_checks

_MOST_DAYS = 36_500


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    image = command(commands, "image", _image, "build the sandbox image")
    image.add_argument("--base", default="", help=f"base image; see {told_path('README.md')}")
    image.add_argument(
        "--kind",
        choices=KINDS,
        default=KINDS[0],
        help="for submissions without accelerators, for all with them, for entries in upstream's "
        "layout without them (default: %(default)s)",
    )
    image.add_argument("--force", action="store_true", help="build every step again")
    carried = image.add_mutually_exclusive_group()
    carried.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="also write it to a file, to be loaded on other machines",
    )
    carried.add_argument(
        "--load",
        type=Path,
        metavar="FILE",
        help="build nothing: take the image that --save wrote on another machine",
    )

    prune = command(
        commands, "prune", _prune, "what is kept and no longer needed; --yes removes it"
    )
    runs_option(prune)
    data_option(prune)
    leaderboard_option(prune)
    prune.add_argument(
        "--older-than",
        type=_days,
        default=30,
        metavar="DAYS",
        help="since it was judged, or a derived dataset was last used (default: %(default)s)",
    )
    prune.add_argument("--yes", action="store_true", help="remove it")

    doctor = command(commands, "doctor", _doctor, "what is there, what is missing, how to fix it")
    track_option(doctor, "auto")
    data_option(doctor)
    runs_option(doctor)
    backends = tuple(self_checks())
    doctor.add_argument(
        "--sandbox",
        nargs="?",
        choices=backends,
        const=backends[0],
        help="prove a sandbox, property by property, instead (default: %(const)s)",
    )
    measured = tuple(isolating())
    doctor.add_argument(
        "--channels",
        nargs="?",
        choices=measured,
        const=measured[0],
        help="measure what leaks from one sandbox to the next, in bits, instead "
        "(default: %(const)s)",
    )
    doctor.add_argument(
        "--json", metavar="PATH", help="with --channels: also write the figures (-: stdout)"
    )
    runtime_option(doctor)


def _prune(options: argparse.Namespace) -> int:
    from harness.ledger.file import default_path, load_leaderboard
    from harness.report.retention import needless_table
    from harness.run.retention import needless, remove

    board = load_leaderboard(options.leaderboard or default_path())
    found = needless(options.runs, options.data, board, older_than_days=options.older_than)
    console_for(options).print(needless_table(found))
    if not found:
        return 0
    if options.yes:
        tell(f"removed {remove(found, data=options.data):,} bytes")
    else:
        tell("nothing is removed: say --yes to remove it")
    return 0


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"expected days, from 0 to {_MOST_DAYS:,}")
    return days


def _image(options: argparse.Namespace) -> int:
    from functools import partial

    from harness.sandbox.docker import carrying, image

    if options.load:
        if options.force or options.base:
            raise UsageError("image --load: builds nothing; leave out --force and --base")
        return _load_image(options)
    make = partial(image.build, force=True) if options.force else image.ensure
    note = partial(print, file=sys.stderr, flush=True)
    tag, identity = make(note, base=options.base or None, kind=options.kind)
    tell(f"{tag} {identity}")
    if options.save:
        note(f"writing {options.save}, about {recipe_of(options.kind).holds}")
        tell(f"wrote {carrying.save(tag, options.save):,} bytes to {options.save}")
    return 0


def _load_image(options: argparse.Namespace) -> int:
    """Load the images of a file; the exit code says whether the one that is wanted is there."""
    from harness.sandbox.docker import carrying, image
    from harness.sandbox.docker.engine import Engine

    for name, identity in carrying.load(options.load).items():
        tell(f"{name} {identity}")
    with Engine().connection() as client:
        found = image.find(client, kind=options.kind)
    if found is None:
        raise InfrastructureError(
            f"loaded, but it is not the image for {options.kind} that this harness uses",
            file=options.load,
            remedy="name the --kind that was saved, and have the same version of the harness here",
        )
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from harness.doctor import examine
    from harness.report.findings import show_findings

    if options.json and not options.channels:
        raise UsageError("doctor --json: only measured channels are written; add --channels")
    if options.sandbox and options.channels:
        raise UsageError("doctor: --sandbox and --channels are two proofs; ask for one at a time")
    if options.sandbox:
        return _prove_sandbox(options)
    if options.channels:
        return _measure_channels(options)
    if options.runtime:
        raise UsageError("doctor --runtime: what is proved is the sandbox; add --sandbox")
    track = choose_track(options.track)
    findings = examine(track, data=options.data, runs=options.runs)
    show_findings(findings, console_for(options), title=f"this machine, for track {track.name}")
    return EXIT_INCONCLUSIVE if any(finding.status == "fail" for finding in findings) else 0


def _prove_sandbox(options: argparse.Namespace) -> int:
    from harness.report.findings import show_findings
    from harness.report.proofs import CHANNELS_TOO, show_proofs

    console = console_for(options)
    asked = Asked(choose_track(options.track), console.note, options.runtime)
    proofs, warnings = self_checks()[options.sandbox](asked)
    show_proofs(proofs, console)
    if warnings:
        show_findings(warnings, console)
    console.note(CHANNELS_TOO)
    return 0 if all(proof.stands for proof in proofs) else EXIT_INCONCLUSIVE


def _measure_channels(options: argparse.Namespace) -> int:
    from harness.hardware.machine import machine
    from harness.report.channels import show_channels
    from harness.run.one_at_a_time import on_this_machine
    from harness.sandbox.channels.figures import mark_of
    from harness.sandbox.channels.measure import measure

    console = console_for(options)
    track = choose_track(options.track)
    asked = Asked(track, console.note, options.runtime)
    backend = isolating()[options.channels]
    sandbox = backend.open(asked)
    sandbox.prepare()
    control = backend.control(asked) if backend.control else None
    if control is not None:
        control.prepare()
    needed = track.hardware.accelerators > 0
    gpus = machine(needs_accelerators=True).accelerators if needed else ()
    # Beside a verification it would disturb that, and hear less than there is.
    with on_this_machine(alone=True, note=console.note):
        found = measure(
            backend.name,
            sandbox,
            control,
            mark_of(track),
            note=console.note,
            accelerators=tuple(gpu.uuid for gpu in gpus),
        )
    show_channels(found, console)
    write_json(found.model_dump_json(indent=2), options.json)
    return 0 if found.holds else EXIT_INCONCLUSIVE
