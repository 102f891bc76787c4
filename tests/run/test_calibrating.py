"""The speed of a host, measured before its run."""

import json
from pathlib import Path
from typing import get_args

import pytest

from harness.contest.hardware import Figure, Hardware, Speed
from harness.contest.track import load_track
from harness.errors import InfrastructureError
from harness.evidence.host import Calibration
from harness.run import calibrating
from harness.run.calibrating import calibrate, check_speed
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.registry import choose
from tests.conftest import SANDBOXES
from tests.factories.playground import harness, write_submission, write_track


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_every_figure_is_measured_in_a_sandbox_of_its_own(sandbox: str, data_root: Path) -> None:
    track = load_track("smoke")
    chosen = choose(sandbox, track=track, note=lambda text: None)
    chosen.prepare()
    shards = data_root / "demo_sp1024" / "train"
    found = calibrate(chosen, track.sandbox, shards, accelerators=())
    assert found.figures.keys() == set(get_args(Figure))
    assert all(figure > 0 for figure in found.figures.values())
    assert found.seconds > 0


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


def test_what_was_not_measured_is_unlike() -> None:
    hardware = Hardware(accelerators=0, speeds={"gemm_gflops": Speed(reference=100.0)})
    assert hardware.unlike({}) == ["gemm_gflops was not measured"]
    assert Hardware(accelerators=0).unlike({}) == []


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
