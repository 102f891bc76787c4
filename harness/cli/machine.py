"""Commands about this machine: its sandbox image, and what the machine lacks."""

from __future__ import annotations

import argparse
import sys

from harness.cli.guard import EXIT_INCONCLUSIVE
from harness.cli.options import (
    choose_track,
    command,
    console_for,
    data_option,
    runs_option,
    runtime_option,
    track_option,
    write_json,
)
from harness.errors import UsageError
from harness.safeio.output import tell
from harness.sandbox.backend import Asked
from harness.sandbox.registry import isolating, self_checks


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    image = command(commands, "image", _image, "build the sandbox image")
    image.add_argument("--base", default="", help="base image; see docker/README.md")
    image.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu")
    image.add_argument("--force", action="store_true", help="build every step again")

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


def _image(options: argparse.Namespace) -> int:
    from functools import partial

    from harness.sandbox.docker import image

    make = partial(image.build, force=True) if options.force else image.ensure
    note = partial(print, file=sys.stderr, flush=True)
    tell(" ".join(make(note, base=options.base or None, accelerator=options.accelerator)))
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
    asked = Asked(choose_track(options.track), console.print, options.runtime)
    proofs, warnings = self_checks()[options.sandbox](asked)
    show_proofs(proofs, console)
    if warnings:
        show_findings(warnings, console)
    console.print(CHANNELS_TOO)
    return 0 if all(proof.stands for proof in proofs) else EXIT_INCONCLUSIVE


def _measure_channels(options: argparse.Namespace) -> int:
    from harness.hardware.machine import machine
    from harness.report.channels import show_channels
    from harness.sandbox.channels.figures import mark_of
    from harness.sandbox.channels.measure import measure

    console = console_for(options)
    track = choose_track(options.track)
    asked = Asked(track, console.print, options.runtime)
    backend = isolating()[options.channels]
    sandbox = backend.open(asked)
    sandbox.prepare()
    control = backend.control(asked) if backend.control else None
    if control is not None:
        control.prepare()
    needed = track.hardware.accelerators > 0
    gpus = machine(needs_accelerators=True).accelerators if needed else ()
    found = measure(
        backend.name,
        sandbox,
        control,
        mark_of(track),
        note=console.print,
        accelerators=tuple(gpu.uuid for gpu in gpus),
    )
    show_channels(found, console)
    write_json(found.model_dump_json(indent=2), options.json)
    return 0 if found.holds else EXIT_INCONCLUSIVE
