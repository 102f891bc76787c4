"""What GPUs do meanwhile, told by a driver that may be absent, broken or foreign."""

import time

import pytest

from harness.hardware.telemetry import Telemetry
from tests.hardware.conftest import SMI, UUID

SAMPLE = """
case "$1" in
  --query-gpu=*clocks_event_reasons*) echo 'Field "x" is not a valid field to query.'; exit 2;;
  --query-gpu=*)
    echo '{uuid}, 1410, 97, Not Active, Active, Not Active, [N/A]'
    echo '{other}, 300, 99, Active, Active, Active, Active';;
  --query-compute-apps=*) echo '{uuid}, 4242'; echo '{other}, 4343';;
esac
"""


def watched(smi: SMI, body: str, **options: object) -> Telemetry:
    smi(body.replace("{uuid}", UUID.format(0)).replace("{other}", UUID.format(1)))
    telemetry = Telemetry((UUID.format(0),), interval_seconds=0.01, **options)  # type: ignore[arg-type]
    with telemetry:
        deadline = time.monotonic() + 20
        while telemetry.facts.samples < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    return telemetry


def test_telemetry_sees_our_gpus_only(smi: SMI) -> None:
    seen = watched(smi, SAMPLE).facts
    assert seen.samples >= 2
    assert seen.slowdowns == ("hw_thermal_slowdown",)
    assert seen.lowest_sm_clock_mhz == 1410
    assert seen.foreign_processes == 1


def test_telemetry_knows_our_own_processes(smi: SMI) -> None:
    assert watched(smi, SAMPLE, is_ours=lambda pid: pid == 4242).facts.foreign_processes == 0
    assert watched(smi, SAMPLE, is_ours=lambda pid: pid == 1).facts.foreign_processes == 1


def test_clocks_of_an_idle_gpu_do_not_count(smi: SMI) -> None:
    seen = watched(smi, SAMPLE.replace("1410, 97", "345, 3")).facts
    assert seen.lowest_sm_clock_mhz is None


def test_telemetry_survives_a_broken_driver(smi: SMI) -> None:
    smi("exit 9")
    with Telemetry((UUID.format(0),), interval_seconds=0.01) as telemetry:
        time.sleep(0.2)
    assert telemetry.facts.samples == 0


def test_telemetry_without_gpus_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nvidia-smi was asked")

    monkeypatch.setattr("harness.hardware.nvidia_smi.subprocess.Popen", refuse)
    with Telemetry(()) as telemetry:
        pass
    assert telemetry.facts.samples == 0
