"""The description of this machine, with a driver that may be absent, broken or foreign."""

import os
import re
import time
from pathlib import Path

import pytest

from harness.contest.track import load_track
from harness.errors import InfrastructureError
from harness.evidence.host import Accelerator, MachineFacts
from harness.hardware.machine import (
    OLDEST_DRIVER,
    accelerator_uuids,
    accelerators,
    disk_free_bytes,
    machine,
    missing_for,
)
from tests.hardware.conftest import SMI, UUID

SXM = "NVIDIA H100 80GB HBM3"


def row(index: int, name: str = SXM, *, mig: str = "Disabled", memory: str = "81559") -> str:
    return f"echo '{name}, {UUID.format(index)}, {memory}, 570.86.15, {mig}'"


def facts(*names: str, system: str = "Linux 6.1 x86_64", driver: str = "") -> MachineFacts:
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
        driver=driver,
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


def test_a_driver_older_than_the_images_cuda_is_missing() -> None:
    track = load_track("10min_16mb")
    (said,) = missing_for(track, facts(*[SXM] * 8, driver="570.86.15"))
    assert "needs the NVIDIA driver 580 or newer; this is 570.86.15" in said
    for driver in ("580.65.06", "600.1", "", "unknown"):
        assert missing_for(track, facts(*[SXM] * 8, driver=driver)) == []
    assert missing_for(load_track("smoke"), facts(driver="470.1")) == []


def test_the_oldest_driver_is_that_of_the_locked_cuda() -> None:
    lock = Path(__file__).parents[2] / "docker/cuda-cp313-x86_64.lock"
    (cuda,) = re.findall(r"^cuda-toolkit==(\d+)\.", lock.read_text(), re.MULTILINE)
    assert {"12": 525, "13": 580}[cuda] == OLDEST_DRIVER
