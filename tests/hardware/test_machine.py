"""What machine this is, told by a driver that may be absent, broken or foreign."""

import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.contest.track import load_track
from harness.errors import InfrastructureError
from harness.evidence.facts import Accelerator, MachineFacts
from harness.hardware.machine import (
    Telemetry,
    accelerator_uuids,
    accelerators,
    disk_free_bytes,
    machine,
    missing_for,
)

SXM = "NVIDIA H100 80GB HBM3"
UUID = "GPU-00000000-0000-0000-0000-00000000000{}"
SMI = Callable[[str], None]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SMI:
    """Puts a shell script named nvidia-smi first on PATH."""

    def install(body: str) -> None:
        script = tmp_path / "bin" / "nvidia-smi"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")

    return install


def row(index: int, name: str = SXM, *, mig: str = "Disabled", memory: str = "81559") -> str:
    return f"echo '{name}, {UUID.format(index)}, {memory}, 570.86.15, {mig}'"


def facts(*names: str, system: str = "Linux 6.1 x86_64") -> MachineFacts:
    return MachineFacts(
        processor="p",
        cores=2,
        memory_bytes=1,
        system=system,
        python="3.11",
        accelerators=tuple(
            Accelerator(name=name, uuid=UUID.format(i), memory_bytes=1)
            for i, name in enumerate(names)
        ),
    )


def test_this_machine_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = machine(needs_accelerators=True)
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.memory_bytes > 1 << 28
    assert found.processor
    assert found.system.startswith(os.uname().sysname)
    assert found.accelerators == ()
    assert found.driver == ""


def test_gpus_are_read(smi: SMI) -> None:
    smi(
        "\n".join(
            [row(0), row(1, "NVIDIA GH200", memory="[N/A]", mig="[N/A]"), row(2, mig="Enabled")]
        )
    )
    found = machine()
    assert found.driver == "570.86.15"
    assert found.accelerators == (
        Accelerator(name=SXM, uuid=UUID.format(0), memory_bytes=81559 << 20),
        Accelerator(name="NVIDIA GH200", uuid=UUID.format(1), memory_bytes=0),
        Accelerator(name=f"{SXM} (MIG)", uuid=UUID.format(2), memory_bytes=81559 << 20),
    )


@pytest.mark.parametrize(
    "body",
    [
        "echo 'No devices were found'; exit 6",
        "echo 'No devices were found'",
        "true",
    ],
)
def test_no_device_is_no_error(smi: SMI, body: str) -> None:
    smi(body)
    assert accelerators() == ((), "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "18"),
        ("echo only, two", "fields"),
        ("echo 'name, not-a-uuid, 1, 2, Disabled'", "name no GPU"),
        (row(0, memory="lots"), "memory.total"),
        ("head -c 100000 /dev/urandom; exit 1", "exit code 1"),
    ],
)
def test_a_broken_driver_is_our_trouble_only_where_gpus_matter(
    smi: SMI, body: str, said: str
) -> None:
    smi(body)
    with pytest.raises(InfrastructureError, match=said) as raised:
        machine(needs_accelerators=True)
    assert raised.value.remedy
    assert len(str(raised.value)) < 1000
    assert machine().accelerators == ()


def test_a_hanging_driver_is_given_up_with_its_children(smi: SMI, tmp_path: Path) -> None:
    smi(f"sleep 300 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(InfrastructureError, match="no answer within"):
        accelerators(timeout_seconds=1.0)
    child = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/cmdline")
    for _ in range(100):
        if not child.exists() or b"sleep" not in child.read_bytes():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child of nvidia-smi outlived it")


def test_a_driver_that_cannot_be_started(smi: SMI, tmp_path: Path) -> None:
    smi("true")
    (tmp_path / "bin" / "nvidia-smi").write_bytes(b"\x7fELF rubbish")
    with pytest.raises(InfrastructureError, match="cannot be started"):
        accelerators()


def test_a_machine_that_meets_the_track() -> None:
    track = load_track("10min_16mb")
    found = facts("NVIDIA H100 NVL", *[SXM] * 9)
    assert missing_for(track, found) == []
    assert accelerator_uuids(track, found) == tuple(UUID.format(i) for i in range(1, 9))


def test_any_machine_meets_a_rehearsal() -> None:
    assert missing_for(load_track("smoke"), facts(system="Darwin 23")) == []
    assert accelerator_uuids(load_track("smoke"), facts(SXM)) == ()


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        (facts(), ["8 x 'NVIDIA H100 80GB HBM3'; nvidia-smi shows no GPU"]),
        (facts(SXM), ["needs 8 x .*; 1 of them"]),
        (facts(*["NVIDIA H100 NVL"] * 8), ["0 of them", "8 x 'NVIDIA H100 NVL' do not count"]),
        (
            facts(*[SXM] * 7, "NVIDIA H100 PCIe"),
            ["7 of them", "1 x 'NVIDIA H100 PCIe' does not count"],
        ),
        (facts(*[SXM] * 7, f"{SXM} (MIG)"), ["7 of them", r"\(MIG\)' does not count"]),
        (facts(*[SXM] * 8, system="Darwin 23 arm64"), ["needs Linux; this is Darwin"]),
    ],
)
def test_what_is_missing_is_said(found: MachineFacts, sentences: list[str]) -> None:
    missing = missing_for(load_track("10min_16mb"), found)
    assert len(missing) == len(sentences)
    for text, pattern in zip(missing, sentences, strict=True):
        assert re.search(pattern, text)


def test_free_space_of_a_path_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert disk_free_bytes(tmp_path / "not" / "yet") > 0


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
        while telemetry.throttle.samples < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    return telemetry


def test_telemetry_sees_our_gpus_only(smi: SMI) -> None:
    seen = watched(smi, SAMPLE).throttle
    assert seen.samples >= 2
    assert seen.slowdowns == ("hw_thermal_slowdown",)
    assert seen.lowest_sm_clock_mhz == 1410
    assert seen.foreign_processes == 1


def test_telemetry_knows_our_own_processes(smi: SMI) -> None:
    assert watched(smi, SAMPLE, is_ours=lambda pid: pid == 4242).throttle.foreign_processes == 0
    assert watched(smi, SAMPLE, is_ours=lambda pid: pid == 1).throttle.foreign_processes == 1


def test_clocks_of_an_idle_gpu_do_not_count(smi: SMI) -> None:
    seen = watched(smi, SAMPLE.replace("1410, 97", "345, 3")).throttle
    assert seen.lowest_sm_clock_mhz is None


def test_telemetry_survives_a_broken_driver(smi: SMI) -> None:
    smi("exit 9")
    with Telemetry((UUID.format(0),), interval_seconds=0.01) as telemetry:
        time.sleep(0.2)
    assert telemetry.throttle.samples == 0


def test_telemetry_without_gpus_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nvidia-smi was asked")

    monkeypatch.setattr("harness.hardware.nvidia_smi.subprocess.Popen", refuse)
    with Telemetry(()) as telemetry:
        pass
    assert telemetry.throttle.samples == 0
