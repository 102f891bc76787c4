"""Sampling while something runs, with a driver that says what a test wants."""

import os
import sys
import time
from pathlib import Path

import pytest

from tests.accelerator import watch as module
from tests.accelerator.conftest import SMI
from tests.accelerator.watch import Watch
from tests.factories.nvml import UUID

OURS, OTHER = UUID.format(0), UUID.format(1)
LINE = "{uuid}, {clock}, {busy}, 1024, 350.5, 61, 0x{reasons:016X}"


def line(uuid: str, *, clock: int = 1980, busy: int = 99, reasons: int = 0) -> str:
    return "echo '" + LINE.format(uuid=uuid, clock=clock, busy=busy, reasons=reasons) + "'"


@pytest.fixture(autouse=True)
def without_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_by_nvml", lambda devices: None)


def watched(seconds: float = 3.0, *devices: str) -> dict[str, object]:
    with Watch(devices or (OURS,)) as watch:
        until = time.monotonic() + seconds
        while time.monotonic() < until and watch.figures["samples"] < 4:
            time.sleep(0.05)
    return watch.figures


def test_clocks_memory_and_reasons_of_our_gpus_while_busy(smi: SMI) -> None:
    # Three samples and an idle one; then, as the real one, it goes on until it is killed.
    lines = [line(OURS), line(OTHER, clock=1), line(OURS, clock=1500, reasons=0x40)]
    lines += [line(OURS), line(OURS, clock=300, busy=3, reasons=0x1)]
    smi(f'case "$*" in *lms*) {"; ".join(lines)}; exec sleep 60;; *) {lines[0]};; esac')
    found = watched(20.0)
    assert (found["by"], found["samples"], found["busy_samples"]) == ("nvidia-smi", 4, 3)
    assert found["clock_mhz"] == [1500, 1980, 1980]
    assert found["peak_memory_mib"] == 1024
    assert (found["most_watts"], found["hottest_celsius"]) == (350.5, 61)
    assert found["reasons"] == ["hardware thermal slowdown"]


def test_a_newer_name_of_a_field_is_tried_before_the_older(smi: SMI) -> None:
    smi(
        'case "$*" in *clocks_event_reasons*) exit 2;; esac\n'
        f'case "$*" in *lms*) {line(OURS)}; exec sleep 60;; *) {line(OURS)};; esac'
    )
    with Watch([OURS]) as watch:
        until = time.monotonic() + 20
        while time.monotonic() < until and not watch.figures["samples"]:
            time.sleep(0.05)
    assert watch.figures["samples"] == 1


def test_without_a_driver_there_are_no_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert watched(0.1)["samples"] == 0


def test_without_gpus_the_memory_of_children_is_watched() -> None:
    import subprocess

    code = "x = bytearray(64 << 20); x[::4096] = b'1' * len(x[::4096]); import time; time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        with Watch(()) as watch:
            until = time.monotonic() + 30
            while time.monotonic() < until and watch.figures.get("peak_memory_mib", 0) < 64:
                time.sleep(0.05)
        assert watch.figures["by"] == "/proc"
        assert watch.figures["peak_memory_mib"] >= 64
        assert os.getpid() != child.pid
    finally:
        child.kill()
        child.wait()
