"""What GPUs do meanwhile, told by a driver that may be absent, broken or foreign."""

import hashlib
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.evidence.telemetry_file import Curves
from harness.hardware import telemetry as telemetry_module
from harness.hardware.telemetry import INTERVAL_SECONDS, Telemetry
from tests.factories.nvml import LOST, NO_DRIVER, NOT_SUPPORTED, UUID, Failing, FakeNvml, Gpu
from tests.hardware.conftest import Install

OURS = UUID.format(0)
HOT = 0x40


def two(**ours: object) -> FakeNvml:
    """One GPU of the run, and one that is somebody else's and in a bad way."""
    other = Gpu(1, sm_mhz=300, reasons=0xFF, processes=(4343,))
    return FakeNvml([Gpu(0, **{"processes": (4242,), **ours}), other])  # type: ignore[arg-type]


def watched(driver: FakeNvml, *, samples: int = 2, **options: object) -> Telemetry:
    """Telemetry after some samples; ended by whoever asks it to finish."""
    seen = threading.Event()
    driver.when_asked = lambda nvml: seen.set() if nvml.asked > samples else None
    options.setdefault("interval_seconds", 0.001)
    telemetry = Telemetry((OURS,), **options)  # type: ignore[arg-type]
    with telemetry:
        assert seen.wait(60)
    return telemetry


def test_telemetry_sees_our_gpus_only(install: Install) -> None:
    install(driver := two(sm_mhz=1410, reasons=0x4 | HOT))
    seen = watched(driver).facts
    assert seen.samples >= 2
    assert seen.slowdowns == ("hw_thermal_slowdown",)
    assert seen.lowest_sm_clock_mhz == 1410
    assert seen.foreign_processes == 1
    assert seen.missing is None
    assert driver.open == 0, "the driver is closed again"


def test_the_power_limit_is_no_slowdown(install: Install) -> None:
    install(driver := two(reasons=0x4))
    assert watched(driver).facts.slowdowns == ()


def test_telemetry_knows_our_own_processes(install: Install) -> None:
    install(driver := two())
    assert watched(driver, is_ours=lambda pid: pid == 4242).facts.foreign_processes == 0
    driver.asked = 0
    assert watched(driver, is_ours=lambda pid: pid == 1).facts.foreign_processes == 1


def test_clocks_of_an_idle_gpu_do_not_count(install: Install) -> None:
    install(driver := two(sm_mhz=345, busy_percent=3))
    assert watched(driver).facts.lowest_sm_clock_mhz is None


def test_every_moment_is_kept_in_a_file(install: Install, tmp_path: Path) -> None:
    driver = two(sm_mhz=1980, celsius=Failing(NOT_SUPPORTED))
    install(driver)
    file = tmp_path / "train.telemetry.npz"
    telemetry = watched(driver, samples=5, file=file)
    facts = telemetry.finish()
    content = file.read_bytes()
    assert facts.file_sha256 == hashlib.sha256(content).hexdigest()
    curves = Curves.from_bytes(content)
    assert curves.uuids == (OURS,)
    assert len(curves.seconds) == facts.samples >= 5
    assert (curves.seconds[1:] >= curves.seconds[:-1]).all()
    first = {name: int(column[0, 0]) for name, column in curves.columns.items()}
    assert first == {
        "sm_mhz": 1980,
        "memory_mhz": 2619,
        "milliwatts": 650_000,
        "limit_milliwatts": 700_000,
        "celsius": -1,
        "busy_percent": 97,
        "reasons": 4,
    }


def test_it_looks_five_times_a_second() -> None:
    assert INTERVAL_SECONDS <= 0.2


def test_a_long_run_keeps_every_other_moment(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry_module, "MOST_MOMENTS", 8)
    driver = two()
    clocks: Iterator[int] = iter(range(1000))
    driver.when_asked = lambda nvml: None
    install(driver)
    seen = threading.Event()

    def count(nvml: FakeNvml) -> None:
        nvml.gpus[0].sm_mhz = next(clocks)
        if nvml.asked > 30:
            seen.set()

    driver.when_asked = count
    with Telemetry((OURS,), interval_seconds=0.001, file=tmp_path / "file") as telemetry:
        assert seen.wait(60)
    facts = telemetry.finish()
    curves = Curves.from_bytes((tmp_path / "file").read_bytes())
    kept = curves.columns["sm_mhz"][:, 0].tolist()
    assert facts.samples > 30
    assert len(kept) <= 8
    assert kept[0] == 0
    assert len({after - before for before, after in itertools.pairwise(kept)}) == 1


def test_telemetry_survives_a_broken_driver(install: Install, tmp_path: Path) -> None:
    install(driver := two(sm_mhz=Failing(LOST)))
    facts = watched(driver, file=tmp_path / "file").finish()
    assert facts.samples == 0
    assert facts.missing == "no telemetry: the NVIDIA driver failed: an error of the driver"
    assert facts.file_sha256 is None
    assert not (tmp_path / "file").exists()


def test_a_sample_that_fails_is_left_out(install: Install) -> None:
    driver = two()
    install(driver)
    seen = threading.Event()

    def fail_now_and_then(nvml: FakeNvml) -> None:
        nvml.gpus[0].busy_percent = Failing(LOST) if nvml.asked % 2 else 97
        if nvml.asked > 9:
            seen.set()

    driver.when_asked = fail_now_and_then
    with Telemetry((OURS,), interval_seconds=0.001) as telemetry:
        assert seen.wait(60)
    assert 0 < telemetry.facts.samples < driver.asked
    assert telemetry.facts.missing is None


@pytest.mark.parametrize(
    ("driver", "why"),
    [
        (None, "no telemetry: nvidia-ml-py is not installed: pip install"),
        (FakeNvml(starts=Failing(NO_DRIVER)), "NVIDIA's driver is not there (Driver Not Loaded)"),
        (FakeNvml(starts=Failing(999)), "the NVIDIA driver failed"),
        (FakeNvml([]), "shows no device"),
        (FakeNvml([Gpu(7)]), "none of the accelerators of this run"),
    ],
)
def test_why_there_is_none_is_said(install: Install, driver: FakeNvml | None, why: str) -> None:
    install(driver)
    with Telemetry((OURS,)) as telemetry:
        facts = telemetry.finish()
    assert facts.samples == 0
    assert why in (facts.missing or "")


def test_a_driver_that_hangs_holds_nobody_up(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry_module, "TIMEOUT_SECONDS", 0.01)
    install(FakeNvml([Gpu(0)], hangs=3600))
    began = time.monotonic()
    with Telemetry((OURS,)) as telemetry:
        facts = telemetry.finish()
    assert (facts.samples, facts.missing) == (0, "no telemetry: the NVIDIA driver gave no answer")
    assert time.monotonic() - began < 600


def test_a_full_disk_is_our_own_failure(install: Install, tmp_path: Path) -> None:
    install(driver := two())
    telemetry = watched(driver, file=tmp_path / "missing" / "file")
    with pytest.raises(InfrastructureError, match="cannot write"):
        telemetry.finish()


def test_telemetry_without_gpus_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("the driver was asked")

    monkeypatch.setattr("harness.hardware.nvml.library", refuse)
    with Telemetry(()) as telemetry:
        pass
    facts = telemetry.finish()
    assert (facts.samples, facts.missing) == (0, None)
