"""The speed of a host, measured just before its run in a sandbox like the run's own."""

import math
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.contest.hardware import Hardware
from harness.contest.track import Limits
from harness.errors import InfrastructureError
from harness.evidence.host import Calibration, HostFacts
from harness.evidence.plan import Plan
from harness.hardware.machine import accelerator_uuids
from harness.hardware.telemetry import Telemetry, power_limit_watts
from harness.package import PACKAGE
from harness.run.paths import CODE, DATA
from harness.run.texts import StockTexts
from harness.safeio.files import disk_errors
from harness.safeio.parsing import parse_json
from harness.safeio.text import plain
from harness.sandbox.protocol import Job, Mount, Sandbox

INSIDE = PACKAGE / "inside" / "calibrate"
SECONDS = 60.0
"""That it may take; on a machine with nothing else to do it takes a few, mostly to import torch."""
_STAMP = len("    0.000 ")
_LINE_BYTES = 1 << 16
_REMEDY = "see whether the machine is overloaded, then run it again"


def calibrate(
    sandbox: Sandbox, limits: Limits, shards: Path, *, accelerators: tuple[str, ...]
) -> Calibration:
    """Measure this host.

    Args:
        sandbox: is prepared.
        limits: of every sandbox of the track.
        shards: a directory whose files are read in order, to see how fast that goes.
        accelerators: UUIDs of those that the run will have; the processor is measured without any.

    Raises:
        InfrastructureError: it could not be measured.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pgolf-calibration-") as name, disk_errors(Path(name)):
        log = Path(name).resolve() / "log"
        job = _job(sandbox, limits, shards.absolute(), log, accelerators)
        with (
            sandbox.start(job) as running,
            Telemetry(accelerators, is_ours=running.owns) as telemetry,
        ):
            ended = running.wait(SECONDS + 10)
            said = running.last_line
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    figures = next((found for line in lines if (found := _figures(line[_STAMP:]))), None)
    if ended is None or figures is None:
        raise InfrastructureError(
            f"the speed of this host could not be measured: {plain(said, 200) or 'no figures'}",
            remedy=_REMEDY,
        )
    if (watts := power_limit_watts(accelerators)) is not None:
        figures["power_limit_watts"] = watts
    return Calibration(
        figures=figures,
        seconds=round(time.monotonic() - began, 3),
        telemetry=telemetry.finish() if accelerators else None,
    )


def calibrated(
    host: HostFacts, plan: Plan, sandbox: Sandbox, stock: StockTexts, *, launched: bool
) -> HostFacts:
    """The host with its speed, where the track asks for it or a launcher sent us here.

    Raises:
        InfrastructureError: it could not be measured; or a launcher sent us, and another host may
            take the run, since this one has not the speed of the track's hardware.
    """
    hardware = plan.track.hardware
    if not launched and not hardware.speeds:
        return host
    measured = calibrate(
        sandbox,
        plan.track.sandbox,
        stock.dataset.train_directory,
        accelerators=accelerator_uuids(plan.track, host.machine),
    )
    if launched:
        check_speed(hardware, measured)
    return host.model_copy(update={"calibration": measured})


def check_speed(hardware: Hardware, measured: Calibration) -> None:
    """Require that a host is as fast as its track says, before anything is run there.

    Raises:
        InfrastructureError: it is slower, or faster than it can be, or slows itself down.
    """
    unlike = hardware.unlike(measured.figures)
    if measured.telemetry is not None and measured.telemetry.slowdowns:
        slowed = ", ".join(measured.telemetry.slowdowns)
        unlike.append(f"its accelerators slow themselves down ({slowed})")
    if unlike:
        raise InfrastructureError(
            f"this host has not the speed of the track's hardware: {'; '.join(unlike)}",
            remedy="run it on another one; harness doctor says what may be wrong with this one",
        )


def _job(
    sandbox: Sandbox, limits: Limits, shards: Path, log: Path, accelerators: tuple[str, ...]
) -> Job:
    data = Mount(shards, DATA, shared=True)
    return Job(
        label="calibration",
        command=(
            sandbox.worker_command[0],
            *("-B", "calibrate.py", str(len(accelerators)), sandbox.inside(data)),
        ),
        environment={},
        code=Mount(INSIDE, CODE),
        mounts=(data,),
        limits=limits,
        wallclock_seconds=SECONDS,
        log=log,
        accelerators=accelerators,
    )


def _figures(line: str) -> dict[str, float] | None:
    """The figures in a line; None where it holds none."""
    try:
        found: Any = parse_json(line.encode(), limit_bytes=_LINE_BYTES)
    except ValueError:
        return None
    whole = isinstance(found, dict) and all(
        isinstance(value, float | int) and math.isfinite(value) and value >= 0
        for value in found.values()
    )
    return {str(name): float(value) for name, value in found.items()} if whole else None
