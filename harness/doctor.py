"""What this machine has, what it lacks for a track, and the command that cures each lack."""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.contest.track import Track
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.hardware.machine import disk_free_bytes, machine, missing_for
from harness.models import Finding, Status

if TYPE_CHECKING:
    from harness.sandbox.selfcheck.selfcheck import Proof

CLOCK_PROBE_SECONDS = 0.2


def examine(track: Track, *, data: Path, runs: Path) -> list[Finding]:
    """Look at everything a verification on ``track`` needs; a ``fail`` would stop it.

    Changes nothing: no image is built, no dataset is fetched. Opening the dataset reads all of
    its files.
    """
    return [
        _machine(),
        _accelerators(track),
        *_engine(track),
        _clocks(),
        _dataset(track, data),
        _disk(track, runs),
        *_bar(track),
        _tools(),
    ]


def _machine() -> Finding:
    facts = machine()
    gib = facts.memory_bytes / (1 << 30)
    return Finding(
        id="machine",
        status="pass",
        detail=f"{facts.cores} cores, {facts.processor}, {gib:.1f} GiB, {facts.system}, "
        f"Python {facts.python}",
    )


def _accelerators(track: Track) -> Finding:
    try:
        facts = machine(needs_accelerators=track.hardware.accelerators > 0)
    except InfrastructureError as error:
        return _failed("accelerators", error)
    found = ", ".join(gpu.name for gpu in facts.accelerators) or "none"
    found += f", driver {facts.driver}" if facts.driver else ""
    missing = missing_for(track, facts)
    return Finding(
        id="accelerators",
        status="fail" if missing else "pass",
        detail="; ".join([found, *missing]),
        remedy="use a machine that has them, or rehearse with --track smoke" if missing else "",
    )


def _engine(track: Track) -> list[Finding]:
    from harness.sandbox.docker import image
    from harness.sandbox.docker.engine import Engine, nanoseconds_of, usable

    # A rehearsal runs without an engine; a record does not.
    lacking: Status = "unknown" if track.rehearsal else "fail"
    try:
        findings = [Finding(id="engine", status="pass", detail=usable())]
    except InfrastructureError as error:
        return [_failed("engine", error, lacking)]
    accelerator = "cuda" if track.hardware.accelerators else "cpu"
    with Engine().connection() as client:
        found = image.find(client, accelerator=accelerator)
        engine_time = nanoseconds_of(client.info()["SystemTime"]) / 1e9
    findings.append(known_escapes())
    findings.append(
        Finding(id="image", status="pass", detail=found)
        if found
        else Finding(
            id="image",
            status="unknown",
            detail=f"no sandbox image for {accelerator} yet; the first verification builds it",
            remedy=f"harness image --accelerator {accelerator}",
        )
    )
    apart = abs(engine_time - time.time())
    findings.append(
        Finding(
            id="engine_clock",
            status="pass" if apart < 1 else "fail",
            detail=f"{apart:.2f} s from this process's",
            remedy="" if apart < 1 else "synchronise the clocks (chrony or systemd-timesyncd)",
        )
    )
    return findings


def known_escapes() -> Finding:
    """Whether what runs containers has a version from which code has got out.

    Raises:
        InfrastructureError: no engine answers.
    """
    from harness.sandbox.docker.cves import components, escapes_of
    from harness.sandbox.docker.engine import Engine

    with Engine().connection() as client:
        versions = components(client.version())
    found = escapes_of(versions)
    if not found:
        shown = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        return Finding(id="known_escapes", status="pass", detail=f"none in {shown or 'engine'}")
    detail = "; ".join(
        f"{escape.component} {version}: {escape.id} ({escape.what}), "
        f"repaired in {' and '.join(escape.fixed)}"
        for version, escape in found
    )
    return Finding(
        id="known_escapes",
        status="unknown",
        detail=detail,
        remedy="install a repaired version; if a distribution made this one, see whether it "
        "repaired it under the same number",
    )


def prove_sandbox(
    track: Track, *, runtime: str, note: Callable[[str], None]
) -> tuple["Proof", ...]:
    """Every property of the Docker sandbox, tried from inside and looked at from outside.

    Args:
        track: decides which image is used.
        runtime: the engine's runtime; its default when empty.
        note: gets a line for each step that takes long.

    Raises:
        InfrastructureError: no engine, no image, no such runtime, or a probe that did not end.
    """
    from harness.sandbox.docker.sandbox import DockerSandbox
    from harness.sandbox.selfcheck.selfcheck import prove

    accelerator = "cuda" if track.hardware.accelerators else "cpu"
    sandbox = DockerSandbox(accelerator=accelerator, note=note, runtime=runtime)
    sandbox.prepare()
    return prove(sandbox)


def _clocks() -> Finding:
    """Whether wall clock and monotonic clock run alike; a stepped clock spoils a run."""
    wall, monotonic = time.time(), time.monotonic()
    time.sleep(CLOCK_PROBE_SECONDS)
    drift = abs((time.time() - wall) - (time.monotonic() - monotonic))
    good = drift < 0.01 * CLOCK_PROBE_SECONDS
    return Finding(
        id="clocks",
        status="pass" if good else "fail",
        detail=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC; "
        f"wall and monotonic clock differ by {drift * 1e6:.0f} us in {CLOCK_PROBE_SECONDS} s",
        remedy="" if good else "let the time service settle, then look again",
    )


def _dataset(track: Track, data: Path) -> Finding:
    from harness.data.format.dataset import open_dataset

    try:
        facts = open_dataset(data, track.dataset.name).facts()
    except HarnessError as error:
        return _failed("dataset", error)
    return Finding(
        id="dataset",
        status="pass",
        detail=f"{facts.name}: {facts.train_tokens:,} train and {facts.validation_tokens:,} "
        f"validation tokens, {facts.validation_bytes:,} bytes of validation text",
    )


def _disk(track: Track, runs: Path) -> Finding:
    from harness.run.verify import disk_need_bytes

    need = disk_need_bytes(track)
    try:
        free = disk_free_bytes(runs)
    except InfrastructureError as error:
        return _failed("disk", error)
    good = free >= need
    return Finding(
        id="disk",
        status="pass" if good else "fail",
        detail=f"{runs}: {free:,} bytes free, a verification may need {need:,}",
        remedy="" if good else "free some space, or name another directory with --runs",
    )


def _bar(track: Track) -> list[Finding]:
    from harness.ledger.leaderboard import bar_of, default_path

    if not track.bar.leaderboard:
        return []
    try:
        bar = bar_of(track, default_path())
    except UsageError as error:
        return [_failed("bar", error)]
    detail = f"{bar.bpb:.6f} BPB ({bar.source})" if bar else track.bar.source
    return [Finding(id="bar", status="pass", detail=detail)]


def _tools() -> Finding:
    """Programs outside Python that make a base image where no registry can be reached."""
    found = [name for name in ("docker", "debootstrap", "nvidia-smi") if shutil.which(name)]
    return Finding(
        id="programs",
        status="pass",
        detail=f"on the path: {', '.join(found)}" if found else "none needed for a rehearsal",
    )


def _failed(question: str, error: HarnessError, status: Status = "fail") -> Finding:
    """A question that an error answers."""
    return error.finding.model_copy(update={"id": question, "status": status})
