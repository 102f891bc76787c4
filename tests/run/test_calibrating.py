"""The speed of a host, measured before its run."""

import json
from pathlib import Path
from typing import get_args

import pytest

from harness.contest.hardware import Figure, Hardware, Speed
from harness.contest.track import load_track
from harness.errors import InfrastructureError
from harness.evidence.host import Calibration, TelemetryFacts
from harness.hardware import nvml
from harness.hardware.telemetry import power_limit_watts
from harness.run import calibrating
from harness.run.calibrating import calibrate, check_speed
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.registry import choose
from tests.conftest import SANDBOXES
from tests.factories.nvml import NOT_SUPPORTED, UUID, Failing, FakeNvml, Gpu
from tests.factories.playground import harness, write_submission, write_track


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_every_figure_is_measured_in_a_sandbox_of_its_own(sandbox: str, data_root: Path) -> None:
    track = load_track("smoke")
    chosen = choose(sandbox, track=track, note=lambda text: None)
    chosen.prepare()
    shards = data_root / "demo_sp1024" / "train"
    found = calibrate(chosen, track.sandbox, shards, accelerators=())
    # Without accelerators nobody limits their power.
    assert found.figures.keys() == set(get_args(Figure)) - {"power_limit_watts"}
    assert all(figure > 0 for figure in found.figures.values())
    assert found.seconds > 0
    assert found.telemetry is None


def test_what_cannot_be_measured_is_our_own_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_root: Path
) -> None:
    track = load_track("smoke")
    (tmp_path / "calibrate.py").write_text("print('no figures at all')")
    monkeypatch.setattr(calibrating, "INSIDE", tmp_path)
    sandbox = ProcessSandbox()
    sandbox.prepare()
    with pytest.raises(InfrastructureError, match=r"could not be measured: .*no figures at all"):
        calibrate(sandbox, track.sandbox, data_root, accelerators=())


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (91.0, ""),
        (89.0, "gemm_gflops 89 is 89% of the reference 100"),
        (149.0, ""),
        (151.0, "gemm_gflops 151 is more than can be (100 is usual)"),
    ],
)
def test_a_host_is_neither_slower_nor_faster_than_its_hardware(measured: float, said: str) -> None:
    hardware = Hardware(accelerators=0, speeds={"gemm_gflops": Speed(reference=100.0)})
    assert hardware.unlike({"gemm_gflops": measured}) == ([said] if said else [])
    found = Calibration(figures={"gemm_gflops": measured}, seconds=1.0)
    if said:
        with pytest.raises(InfrastructureError, match="has not the speed"):
            check_speed(hardware, found)
    else:
        check_speed(hardware, found)


def test_a_host_whose_accelerators_slow_themselves_down_refuses_a_run_that_was_sent_to_it() -> None:
    hot = TelemetryFacts(samples=9, slowdowns=("hw_thermal_slowdown",))
    found = Calibration(seconds=1.0, telemetry=hot)
    with pytest.raises(InfrastructureError, match=r"slow themselves down \(hw_thermal_slowdown\)"):
        check_speed(Hardware(accelerators=0), found)


def test_the_accelerators_are_watched_and_their_limit_of_power_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_root: Path
) -> None:
    driver = FakeNvml([Gpu(0), Gpu(1, limit_milliwatts=500_000), Gpu(2, limit_milliwatts=1)])
    monkeypatch.setattr(nvml, "library", lambda: driver)
    # What is watched lasts until it was seen.
    waits = f"import os, time\nwhile not os.path.exists('{tmp_path}/seen'): time.sleep(0.01)\n"
    (tmp_path / "calibrate.py").write_text(waits + "print('{\"x\": 1}')")
    monkeypatch.setattr(calibrating, "INSIDE", tmp_path)
    driver.when_asked = lambda nvml: (tmp_path / "seen").touch()
    sandbox = ProcessSandbox()
    sandbox.prepare()
    ours = (UUID.format(0), UUID.format(1))
    found = calibrate(sandbox, load_track("smoke").sandbox, data_root, accelerators=ours)
    assert found.figures == {"x": 1, "power_limit_watts": 500}
    assert found.telemetry is not None
    assert found.telemetry.samples
    assert found.telemetry.lowest_sm_clock_mhz == 1980


@pytest.mark.parametrize("driver", [None, FakeNvml([Gpu(0)])])
def test_a_limit_of_power_that_is_not_known_of_all_is_not_told(
    driver: FakeNvml | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver is not None:
        driver.gpus.append(Gpu(1, limit_milliwatts=Failing(NOT_SUPPORTED)))
    monkeypatch.setattr(nvml, "library", lambda: driver)
    assert power_limit_watts((UUID.format(0), UUID.format(1))) is None


def test_a_process_that_dies_among_those_that_add_up_leaves_no_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_root: Path
) -> None:
    code = (calibrating.INSIDE / "calibrate.py").read_text()
    dies = "    if rank == 1:\n        raise OSError('no way to the others')\n"
    place = "    found: Figures = {}\n"
    assert place in code
    (tmp_path / "calibrate.py").write_text(code.replace(place, dies + place))
    monkeypatch.setattr(calibrating, "INSIDE", tmp_path)
    sandbox = ProcessSandbox()
    sandbox.prepare()
    shards = data_root / "demo_sp1024" / "train"
    with pytest.raises(InfrastructureError, match="a process ended without a figure"):
        calibrate(sandbox, load_track("smoke").sandbox, shards, accelerators=())


def test_what_was_not_measured_is_unlike() -> None:
    hardware = Hardware(accelerators=0, speeds={"gemm_gflops": Speed(reference=100.0)})
    assert hardware.unlike({}) == ["gemm_gflops was not measured"]
    assert Hardware(accelerators=0).unlike({}) == []


@pytest.mark.long
@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("reference", ["1e-9", "1e12"])
def test_a_host_unlike_its_track_leaves_the_hardware_open_and_rejects_nothing(
    tmp_path: Path, data_root: Path, reference: str
) -> None:
    track = write_track(tmp_path / "track.toml", seeds="2")
    line = f"speeds = {{ python_additions_per_second = {{ reference = {reference} }} }}"
    track.write_text(track.read_text().replace("accelerators = 0", f"accelerators = 0\n{line}"))
    folder = write_submission(tmp_path / "toy", train="raise SystemExit(1)")
    options = ["--track", track, "--sandbox", "process", "--data", data_root]
    done = harness("verify", folder, *options, "--runs", tmp_path / "runs", "--json", "-")
    assert done.status("hardware") == "unknown"
    assert done.failed == ["training"], "the submission's own fault, and nothing else"
    (evidence,) = (tmp_path / "runs").glob("*/seed-*/try-1/evidence.json")
    figures = json.loads(evidence.read_bytes())["host"]["calibration"]["figures"]
    assert figures["python_additions_per_second"] > 0
