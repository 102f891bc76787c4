"""What this machine has, what it lacks for a track, and the command that fixes each lack."""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

from harness.contest.entry import STOCK, Tokenizer
from harness.contest.track import Track
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.hardware.machine import disk_free_bytes, machine, missing_for
from harness.models import Finding
from harness.package import install_command, lacking
from harness.sandbox import registry
from harness.sandbox.backend import Backend

CLOCK_PROBE_SECONDS = 0.2


def examine(track: Track, *, data: Path, runs: Path, tokenizer: Tokenizer = STOCK) -> list[Finding]:
    """Look at everything a verification on ``track`` needs; a ``fail`` would stop it.

    Changes nothing: no image is built, no dataset is fetched. Opening the dataset reads all of
    its files. ``tokenizer`` is that of the entry, where one is known.
    """
    return [
        _machine(),
        _packages(),
        _accelerators(track),
        *_sandboxes(track),
        _clocks(),
        _dataset(track, data, tokenizer),
        _disk(track, data, runs),
        *_bar(track),
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


def _packages() -> Finding:
    """What comes with the extra that trains and scores; the other questions do without it."""
    if missing := lacking("verify"):
        detail = f"not installed: {', '.join(missing)}, without which nothing is run or scored"
        remedy = install_command("verify")
        return Finding(id="packages", status="fail", detail=detail, remedy=remedy)
    return Finding(id="packages", status="pass", detail="all that trains and scores is installed")


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


def _sandboxes(track: Track) -> list[Finding]:
    """What each backend needs; one that isolates is enough."""
    found = [_of_backend(backend, track) for backend in registry.BACKENDS if backend.examine]
    enough = any(all(finding.status != "fail" for finding in findings) for findings in found)
    return [
        finding.model_copy(update={"status": "unknown"})
        if enough and finding.status == "fail"
        else finding
        for findings in found
        for finding in findings
    ]


def _of_backend(backend: Backend, track: Track) -> list[Finding]:
    """What a backend needs, where the package that asks it is installed."""
    try:
        return backend.examine(track) if backend.examine else []
    except ModuleNotFoundError as error:
        return [_unasked(f"{backend.name} sandbox", error)]


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


def _dataset(track: Track, data: Path, tokenizer: Tokenizer) -> Finding:
    from harness.run.texts import open_texts

    try:
        facts = open_texts(track, data, tokenizer).scored.facts()
    except HarnessError as error:
        return _failed("dataset", error)
    except ModuleNotFoundError as error:
        return _unasked("dataset", error)
    other = "" if facts.name == track.dataset.name else f", the text of {track.dataset.name}"
    return Finding(
        id="dataset",
        status="pass",
        detail=f"{facts.name}{other}: {facts.train_tokens:,} train and "
        f"{facts.validation_tokens:,} validation tokens, {facts.validation_bytes:,} bytes of "
        "validation text",
    )


def _disk(track: Track, data: Path, runs: Path) -> Finding:
    from harness.data.format.manifest import MANIFEST_NAME, load_manifest
    from harness.run.disk import disk_need_bytes

    manifest = None
    with contextlib.suppress(HarnessError):  # the dataset has a finding of its own
        manifest = load_manifest(data / track.dataset.name / MANIFEST_NAME)
    need = disk_need_bytes(track, manifest)
    try:
        free = disk_free_bytes(runs)
    except InfrastructureError as error:
        return _failed("disk", error)
    good = free >= need
    return Finding(
        id="disk",
        status="pass" if good else "fail",
        detail=f"{runs}: {free:,} bytes free, a verification may need {need:,}"
        + (", train shards not reckoned" if track.imposed and manifest is None else ""),
        remedy="" if good else "free some space, or name another directory with --runs",
    )


def _bar(track: Track) -> list[Finding]:
    from harness.ledger.file import default_path
    from harness.ledger.leaderboard import bar_of

    if track.bar is None or not track.bar.leaderboard:
        return []
    try:
        bar = bar_of(track, default_path())
    except UsageError as error:
        return [_failed("bar", error)]
    detail = f"{bar.bpb:.6f} BPB ({bar.source})" if bar else track.bar.source
    return [Finding(id="bar", status="pass", detail=detail)]


def _unasked(question: str, error: ModuleNotFoundError) -> Finding:
    """A question that needs a package which is not there."""
    detail = f"cannot be asked without the package {error.name}"
    return Finding(id=question, status="fail", detail=detail, remedy=install_command("verify"))


def _failed(question: str, error: HarnessError) -> Finding:
    """A question that an error answers."""
    return error.finding.model_copy(update={"id": question, "status": "fail"})
