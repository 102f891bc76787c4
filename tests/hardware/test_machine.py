"""The description of this machine, with a driver that may be absent, broken or foreign."""

import os
import re
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
    fitted,
    machine,
    missing_for,
)
from tests.factories.nvml import (
    LOST,
    NO_DRIVER,
    NO_LIBRARY,
    NOT_SUPPORTED,
    SXM,
    UUID,
    Failing,
    FakeNvml,
    Gpu,
)
from tests.hardware.conftest import Install


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


def test_this_machine_is_described(install: Install) -> None:
    install(None)
    found = machine(needs_accelerators=True)
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.memory_bytes > 1 << 28
    assert found.processor
    assert found.system.startswith(os.uname().sysname)
    assert found.accelerators == ()
    assert found.driver == ""


def test_a_track_that_takes_what_is_there_is_fitted_to_the_machine(install: Install) -> None:
    track = load_track("non_record_16mb")
    for driver, expected in (
        (None, 0),
        (FakeNvml(starts=Failing(NO_DRIVER)), 0),
        (FakeNvml([Gpu(0, name="NVIDIA L4"), Gpu(1, name="NVIDIA L4")]), 2),
    ):
        install(driver)
        found = fitted(track)
        assert found.hardware.accelerators == expected
        assert missing_for(found, machine(needs_accelerators=True)) == []
    install(FakeNvml(starts=Failing(LOST)))
    with pytest.raises(InfrastructureError, match="driver"):
        fitted(track)
    assert fitted(load_track("smoke")).hardware.accelerators == 0, "who needs none asks no driver"


def test_gpus_are_read(install: Install) -> None:
    unknown = Failing(NOT_SUPPORTED)
    install(
        driver := FakeNvml(
            [Gpu(0), Gpu(1, "NVIDIA GH200", memory_bytes=unknown, mig=unknown), Gpu(2, mig=1)]
        )
    )
    found = machine()
    assert found.driver == "580.65.06"
    assert found.accelerators == (
        Accelerator(name=SXM, uuid=UUID.format(0), memory_bytes=81559 << 20),
        Accelerator(name="NVIDIA GH200", uuid=UUID.format(1), memory_bytes=0),
        Accelerator(name=f"{SXM} (MIG)", uuid=UUID.format(2), memory_bytes=81559 << 20),
    )
    assert driver.open == 0, "the driver is closed again"


def test_a_package_that_gives_bytes_is_understood(install: Install) -> None:
    install(FakeNvml([Gpu(0, SXM.encode())], version=b"580.65.06"))
    found = machine()
    assert (found.accelerators[0].name, found.driver) == (SXM, "580.65.06")


@pytest.mark.parametrize(
    ("driver", "why"),
    [
        (None, "nvidia-ml-py is not installed"),
        (FakeNvml(starts=Failing(NO_LIBRARY)), "driver is not there"),
        (FakeNvml(starts=Failing(NO_DRIVER)), "driver is not there"),
        (FakeNvml([]), "shows no device"),
    ],
)
def test_no_device_is_no_error(install: Install, driver: FakeNvml | None, why: str) -> None:
    install(driver)
    found = machine(needs_accelerators=True)
    assert (found.accelerators, found.driver) == ((), "")
    (said,) = missing_for(load_track("10min_16mb"), found)
    assert said.startswith("track 10min_16mb needs 8 x 'NVIDIA H100 80GB HBM3'; there is none here")
    assert why in said


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (FakeNvml(starts=Failing(18)), "driver failed"),
        (FakeNvml([Gpu(0, Failing(LOST))]), "driver failed"),
        (FakeNvml([Gpu(0, memory_bytes=Failing(LOST))]), "driver failed"),
        (FakeNvml([Gpu(0, uuid="not-a-uuid")]), "name no GPU"),
        (FakeNvml([Gpu(0, "")]), "name no GPU"),
    ],
)
def test_a_broken_driver_is_our_trouble_only_where_gpus_matter(
    install: Install, driver: FakeNvml, said: str
) -> None:
    install(driver)
    with pytest.raises(InfrastructureError, match=said) as raised:
        machine(needs_accelerators=True)
    assert raised.value.remedy
    assert len(str(raised.value)) < 1000
    assert machine().accelerators == ()


def test_a_hanging_driver_is_given_up(install: Install) -> None:
    install(FakeNvml([Gpu(0)], hangs=3600))
    with pytest.raises(InfrastructureError, match="no answer within"):
        accelerators(timeout_seconds=0.05)


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
        (facts(), ["8 x 'NVIDIA H100 80GB HBM3'; there is none here"]),
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
