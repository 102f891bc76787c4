"""Channels of GPUs against stand-ins: a library that is compiled here, and memory that is a tensor.

What a real driver answers has not been seen yet. Calls and layouts are held against the package
nvidia-ml-py, which is made from the declarations of NVML.
"""

import ctypes
import inspect
import re
import shutil
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.inside.channels import (
    catalog,
    gpu_driver,
    gpu_figures,
    gpu_history,
    gpu_memory,
    gpu_work,
    places,
    run,
)
from harness.inside.channels.bits import message
from harness.inside.channels.gpu_driver import NotHereError
from harness.sandbox.channels.table import BY_ID, CHANNELS
from harness.sandbox.channels.tally import Round, read_told, tally_of
from harness.sandbox.channels.verdict import DOUBT, figures_of
from tests.sandbox.channels.samples import MARK
from tests.sandbox.channels.test_inside import NOWHERE

SOURCE = Path(__file__).parents[2] / "factories" / "nvml.c"
GPU_CHANNELS = {each.id for each in CHANNELS if each.needs_gpu}
Told = Callable[..., None]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in as a library."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("nvml") / gpu_driver.LIBRARY
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library


@pytest.fixture
def told(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """The stand-in in place of the driver: ``told(NAME="code numbers")`` is what it answers."""
    monkeypatch.setattr(gpu_driver, "LIBRARY", str(compiled))
    monkeypatch.setattr(gpu_figures, "files", lambda: gpu_driver.Answer("files", "readable"))
    gpu_driver.driver.cache_clear()

    def tell(**answers: str) -> None:
        for name, answer in answers.items():
            monkeypatch.setenv(name, answer)

    yield tell
    gpu_driver.driver.cache_clear()


def by_name(answers: list[gpu_driver.Answer]) -> dict[str, set[tuple[str, int, int]]]:
    """What came of each question, summed over alike ones."""
    found: dict[str, set[tuple[str, int, int]]] = {}
    for name in {each.name for each in answers}:
        alike = [each for each in answers if each.name == name]
        found[name] = {
            (
                state,
                sum(each.numbers for each in alike if each.state == state),
                sum(each.bits for each in alike if each.state == state),
            )
            for state in {each.state for each in alike}
        }
    return found


def judged(id: str, rounds: list[Round]) -> Any:
    tally = tally_of(id, rounds)
    return figures_of(BY_ID[id], tally, tally, MARK, doubt=DOUBT / len(CHANNELS))


class TestAsNvmlDeclares:
    """Against the package, which says what the driver's library expects."""

    @pytest.fixture
    def package(self) -> Any:
        return pytest.importorskip("pynvml", reason="needs the package nvidia-ml-py")

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (gpu_history.Sample, "c_nvmlSample_t"),
            (gpu_history.ProcessSample, "c_nvmlProcessUtilizationSample_t"),
            (gpu_figures.Field, "c_nvmlFieldValue_t"),
        ],
    )
    def test_structures_are_laid_out_alike(self, ours: Any, theirs: str, package: Any) -> None:
        declared = getattr(package, theirs)
        assert ctypes.sizeof(ours) == ctypes.sizeof(declared)
        places = [getattr(declared, name).offset for name, *_ in declared._fields_]
        found = [getattr(ours, name).offset for name, *_ in ours._fields_]
        assert found == places[: len(found)]

    def test_calls_have_the_names_that_the_package_asks_for(self, package: Any) -> None:
        declared = inspect.getsource(package)
        calls = {figure.call for figure in gpu_figures.FIGURES}
        for module in (gpu_driver, gpu_figures, gpu_history):
            calls |= set(re.findall(r'"(nvml\w+)"', inspect.getsource(module)))
        assert len(calls) > 25
        missing = {call for call in calls if f'_nvmlGetFunctionPointer("{call}")' not in declared}
        assert missing == set()

    def test_codes_mean_what_they_are_taken_for(self, package: Any) -> None:
        for name, state in (
            ("SUCCESS", gpu_driver.READABLE),
            ("ERROR_NO_PERMISSION", gpu_driver.REFUSED),
            ("ERROR_NOT_SUPPORTED", gpu_driver.NOT_SUPPORTED),
            ("ERROR_INVALID_ARGUMENT", gpu_driver.NOT_SUPPORTED),
            ("ERROR_FUNCTION_NOT_FOUND", gpu_driver.NOT_SUPPORTED),
            ("ERROR_NO_DATA", gpu_driver.NOT_SUPPORTED),
            ("ERROR_GPU_IS_LOST", "code 15"),
            ("ERROR_UNKNOWN", "code 999"),
        ):
            assert gpu_driver.state_of(getattr(package, f"NVML_{name}")) == state

    def test_fields_are_those_that_their_names_say(self, package: Any) -> None:
        names = {
            value: name
            for name, value in vars(package).items()
            if name.startswith("NVML_FI_DEV_") and "CLOCKS_EVENT_REASON_S" not in name
        } | {269: "SLOWDOWN_SW_THERM"}
        meant = {
            "ECC of parts": r"ECC_[SD]BE_(VOL|AGG)",
            "retired pages": r"RETIRED|REMAPP",
            "NVLink bandwidth": r"NVLINK_BANDWIDTH",
            "memory temperature": r"MEMORY_TEMP",
            "PCIe errors": r"PCIE_(COUNT|REPLAY_ROLLOVER|L0_TO)",
            "mean power": r"POWER_(AVERAGE|INSTANT)",
            "energy of parts": r"ENERGY",
            "PCIe bytes": r"PCIE_COUNT_[TR]X_BYTES",
            "C2C errors": r"C2C_LINK_ERROR",
            "slowdowns": r"SLOWDOWN",
            "stalls": r"MMA_STALL",
            "NVLink traffic": r"NVLINK_(THROUGHPUT|COUNT_(XMIT|RCV)_(PACKETS|BYTES)|PLR_XMIT)",
            "NVLink error counts": r"NVLINK_(ERROR_DL|COUNT_)",
        }
        ranges = gpu_figures.FIELDS | gpu_figures.LINK_FIELDS
        assert set(ranges) == set(meant)
        for group, pairs in ranges.items():
            for first, last in pairs:
                for id in range(first, last + 1):
                    assert re.search(meant[group], names[id]), (group, id, names[id])

    def test_samples_are_of_the_kinds_that_there_are(self, package: Any) -> None:
        kinds = {
            value
            for name, value in vars(package).items()
            if name.startswith("NVML_") and name.endswith("_SAMPLES")
        }
        assert set(gpu_history.SAMPLES) == kinds


class TestFigures:
    def test_what_is_asked_comes_back_and_only_what_a_phase_can_move_counts(
        self, told: Told
    ) -> None:
        told(
            nvmlDeviceGetTotalEnergyConsumption="0 123456789012",
            nvmlDeviceGetTemperature="0 41",
            nvmlDeviceGetClockInfo="0 1980 1980 2619 0",
            nvmlDeviceGetUtilizationRates="0 0 3",
            nvmlDeviceGetMemoryInfo="0 80000000000 79000000000 1000000000",
            nvmlDeviceGetViolationStatus="0 0 7 0 0 0 0 0 0 0 0 0 8",
            nvmlDeviceGetTotalEccErrors="0 0 2 0 0",
            nvmlDeviceGetRemappedRows="0 0 1 1 0",
            nvmlDeviceGetNvLinkErrorCounter="0 5 0 0 0 6",
            nvmlDeviceGetPowerUsage="4",
            nvmlDeviceGetFanSpeed="3",
            nvmlDeviceGetPcieReplayCounter="15",
            nvmlDeviceGetEncoderUtilization="0 0 167000",
            nvmlDeviceGetPerformanceState="0 4294967295",
        )
        found = by_name(gpu_figures.figures())
        assert gpu_driver.energy() == 123456789012
        assert found["energy"] == {("readable", 1, 32)}
        assert found["temperature"] == {("readable", 1, 7)}
        assert found["clocks"] == {("readable", 3, 39)}
        assert found["utilization"] == {("readable", 1, 7)}
        assert found["memory"] == {("readable", 1, 32)}
        assert found["held back"] == {("readable", 2, 64)}
        assert found["ECC"] == {("readable", 1, 32)}
        assert found["rows"] == {("readable", 2, 33)}
        assert found["NVLink errors"] == {("readable", 4, 128), ("not supported", 0, 0)}
        assert found["power"] == {("refused", 0, 0)}
        assert found["fan"] == {("not supported", 0, 0)}
        assert found["encoder"] == {("readable", 0, 0)}
        # A value that stands for none, and a call that an older library lacks.
        assert found["performance state"] == {("readable", 0, 0)}
        assert found["set clocks"] == found["decoder"] == {("not in this library", 0, 0)}
        # A question that fails in a way of its own counts as if it had been answered.
        assert found["PCIe replays"] == {("code 15", 1, 32)}

    def test_fields_are_asked_for_each_link_that_there_is(self, told: Told) -> None:
        fields = "138:0:0:5 138:2:0:6 139:1:0:0 82:0:0:50 173:0:4:0 197:0:0:77 141:9:15:0"
        told(nvmlDeviceGetNvLinkState="0 1 0 1", NVML_FIELDS=fields)
        found = by_name(gpu_figures.figures())
        assert ("readable", 2, 64) in found["NVLink traffic"]
        assert ("code 15", 1, 32) in found["NVLink traffic"]
        assert found["memory temperature"] == {("readable", 1, 32)}
        assert found["PCIe errors"] == {("refused", 0, 0), ("not supported", 0, 0)}
        assert ("readable", 1, 32) in found["PCIe bytes"]

    def test_devices_that_are_not_ours_are_left_out(self, told: Told) -> None:
        told(nvmlDeviceGetCount_v2="0 3", NVML_REFUSED="1", nvmlDeviceGetTemperature="0 41")
        assert by_name(gpu_figures.figures())["temperature"] == {("readable", 2, 14)}

    def test_what_came_of_the_questions_is_said(self, told: Told) -> None:
        told(nvmlDeviceGetTemperature="0 41", nvmlDeviceGetPowerUsage="4")
        summed = gpu_driver.summed(gpu_figures.figures())
        assert (summed["values"], summed["holds"]) == (1, 7)
        said = str(summed["said"])
        assert said.startswith("readable: files, temperature; not in this library: decoder, set")
        assert said.endswith("refused: power")

    def test_numbers_in_files_count_and_those_in_words_do_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "gpus").mkdir()
        (tmp_path / "gpus" / "power").write_text("Runtime D3 status: Off\nCounted: 17 0 004\n")
        (tmp_path / "version").write_text("NVRM version: 580.65.06\n")
        monkeypatch.setattr(gpu_figures, "_PROC", str(tmp_path))
        monkeypatch.setattr(gpu_figures, "_ERRORS", str(tmp_path / "none*"))
        assert gpu_figures.files() == ("files", "readable", 2, 64)


class TestHistory:
    def test_samples_from_before_count_whatever_they_say(self, told: Told) -> None:
        told(NVML_SAMPLES=f"0 10 {gpu_driver.BEGAN - 3_500_000}", nvmlDeviceGetAccountingMode="0 0")
        found = by_name(gpu_history.history())
        # Four of power and four of utilization are from before, and two kinds are kept at all.
        assert found["samples"] == {("readable", 8, 4 * 21 + 4 * 7)}
        assert found["samples of processes"] == {("not supported", 0, 0)}
        assert found["ended processes"] == {("switched off", 0, 0)}

    def test_times_of_another_clock_say_nothing_so_all_count(self, told: Told) -> None:
        for moment in (5_000_000, gpu_driver.BEGAN * 1000):
            told(NVML_SAMPLES=f"0 10 {moment}")
            assert by_name(gpu_history.history())["samples"] == {("readable", 20, 280)}

    def test_what_is_of_this_process_is_no_history(self, told: Told) -> None:
        now = time.time_ns() // 1000
        told(NVML_SAMPLES=f"0 3 {now}", NVML_PROCESSES=f"0 3 {now - (1 << 40)}")
        found = by_name(gpu_history.history())
        assert found["samples"] == {("readable", 0, 0)}
        assert found["samples of processes"] == {("readable", 3, 3 * 82)}

    def test_accounts_count_with_all_that_a_phase_could_fill(self, told: Told) -> None:
        told(nvmlDeviceGetAccountingMode="0 1", nvmlDeviceGetAccountingBufferSize="0 4000")
        found = by_name(gpu_history.history())
        assert found["ended processes"] == {("readable", 4000, 440_000)}

    @pytest.mark.parametrize(
        "answers",
        [
            {"NVML_SAMPLES": "15"},
            {"NVML_PROCESSES": "999"},
            {"nvmlDeviceGetAccountingMode": "0 1", "nvmlDeviceGetAccountingBufferSize": "15"},
        ],
    )
    def test_a_question_that_fails_leaves_it_unknown(
        self, answers: dict[str, str], told: Told
    ) -> None:
        told(**answers)
        with pytest.raises(NotHereError, match=r"code (15|999)"):
            gpu_history.history()


class TestNotHere:
    """Who could not look has not found it closed."""

    @pytest.mark.parametrize(
        ("answers", "why"),
        [
            ({"nvmlInitWithFlags": "9"}, "code 9"),
            ({"nvmlDeviceGetCount_v2": "0 0"}, "no device"),
            ({"nvmlDeviceGetCount_v2": "999"}, "no device: code 999"),
            ({"NVML_REFUSED": "0"}, "no device: readable, refused"),
        ],
    )
    def test_a_driver_that_shows_nothing(
        self, answers: dict[str, str], why: str, told: Told
    ) -> None:
        told(**answers)
        with pytest.raises(NotHereError, match=why):
            gpu_figures.figures()

    def test_a_machine_without_any_says_so_without_a_traceback(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        monkeypatch.setattr(gpu_driver, "LIBRARY", str(tmp_path / "libnvidia-ml.so.1"))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(places, "stay", lambda: None)
        gpu_driver.driver.cache_clear()
        told = (
            f'{{"channels": {{{", ".join(f"{chr(34)}{id}{chr(34)}: 1" for id in GPU_CHANNELS)}}}, '
        )
        told += '"places": {"code": "", "data": "", "artifact": "", "output": "", "public": "a"}'
        sides = []
        for more in (', "seed": "s"}', "}"):
            monkeypatch.setattr(sys, "argv", ["run", told + more])
            run.main()
            sides.append(read_told(capsys.readouterr().out.splitlines()))
        assert set(sides[1]) == GPU_CHANNELS
        for id in GPU_CHANNELS - {"gpu_speed"}:
            error = sides[1][id]["error"]
            assert "Traceback" not in error and ("cannot be loaded" in error or "no GPU" in error)
            found = judged(id, [Round("s", sides[0], sides[1])])
            assert (found.state, found.bits_a_phase_high) == ("unknown", MARK.allowed_bits)
            assert "Traceback" not in found.note


class TestEnergy:
    """The number that is moved, and a number that is counted with the others."""

    def test_what_was_moved_arrives_beside_all_that_can_be_read(
        self, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        channel = catalog.channels(NOWHERE)["gpu_figures"]
        joules = [70_000_000]

        def work() -> None:
            joules[0] += 12_345  # a burst of twenty milliseconds
            told(nvmlDeviceGetTotalEnergyConsumption=f"0 {joules[0]}")

        monkeypatch.setattr(gpu_work, "_work", lambda: work)
        rounds: list[Round] = []
        for seed in "abcd":
            told(nvmlDeviceGetTotalEnergyConsumption=f"0 {joules[0]}")
            sent = channel.send(message(seed, "gpu_figures", 4))
            joules[0] += 900_000 + 50_000 * len(rounds)  # what it uses by itself meanwhile
            told(nvmlDeviceGetTotalEnergyConsumption=f"0 {joules[0]}")
            received = channel.receive(4)
            rounds.append(
                Round(
                    seed,
                    {"gpu_figures": {**sent, "bits": 4}},
                    {"gpu_figures": {**received, "bits": 4}},
                )
            )
        tally = tally_of("gpu_figures", rounds)
        assert (tally.bits, tally.errors, tally.values, tally.holds) == (16, 0, 1, 32)
        found = judged("gpu_figures", rounds)
        assert (found.state, found.bits_a_phase_high) == ("closed", 32)
        assert "what was moved arrives; 1 numbers can be read there, 32 bits together" in found.note
        assert "readable: energy, files" in found.note

    def test_a_count_that_stands_still_is_not_waited_for(
        self, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told(nvmlDeviceGetTotalEnergyConsumption="0 5")
        monkeypatch.setattr(gpu_work, "_work", lambda: lambda: None)
        monkeypatch.setattr(gpu_work, "_STILL_SECONDS", 0.01)
        gpu_work.spend(1_000, NOWHERE)

    def test_one_that_there_is_not_leaves_the_others_whole(self, told: Told) -> None:
        told(nvmlDeviceGetTemperature="0 41")
        channel = catalog.channels(NOWHERE)["gpu_figures"]
        sides = channel.send([0, 1]), channel.receive(2)
        sent, received = ({"gpu_figures": {**side, "bits": 2}} for side in sides)
        found = judged("gpu_figures", [Round("a", sent, received)] * 2)
        assert (found.bits_sent, found.bits_a_phase_high) == (0, 7)

    def test_a_history_beyond_the_mark_is_not_called_closed(self, told: Told) -> None:
        told(nvmlDeviceGetAccountingMode="0 1", nvmlDeviceGetAccountingBufferSize="0 4000")
        received = {**catalog.channels(NOWHERE)["gpu_history"].receive(0), "bits": 0}
        found = judged("gpu_history", [Round("a", {"gpu_history": {"bits": 0}},
                                             {"gpu_history": received})])  # fmt: skip
        assert (found.state, found.bits_a_phase_high) == ("unknown", 440_000)


class FakeMemory:
    """``torch`` with a GPU whose memory is a tensor, and with torch's way to keep freed blocks.

    ``clears``: whether the driver clears what it gets back. A process's pages come in another order
    than the last one's.
    """

    OutOfMemoryError = torch.cuda.OutOfMemoryError

    def __init__(self, *, clears: bool, size: int = 1 << 20) -> None:
        self.memory = torch.zeros(size // 8, dtype=torch.int64)
        self.clears = clears
        self.blocks: list[tuple[Any, int, int]] = []
        self.cuda = self

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device_count(self) -> int:
        return 1

    def synchronize(self, device: object = None) -> None:
        pass

    def mem_get_info(self, device: object) -> tuple[int, int]:
        used = sum(8 * words for _, _, words in self.blocks)
        return 8 * len(self.memory) - used, 8 * len(self.memory)

    def empty(self, words: int, *, dtype: Any, device: str) -> Any:
        for place, (held, start, size) in enumerate(self.blocks):
            if held() is None and size == words:
                return self._block(place, start, words)
        start = sum(size for _, _, size in self.blocks)
        self.blocks.append((lambda: None, start, words))
        return self._block(len(self.blocks) - 1, start, words)

    def _block(self, place: int, start: int, words: int) -> Any:
        def view(*shape: int) -> Any:
            shown = self.memory[start : start + words].view(*shape)
            self.blocks[place] = (weakref.ref(shown), start, words)
            return shown

        return SimpleNamespace(view=view)

    def empty_cache(self) -> None:
        assert all(held() is None for held, _, _ in self.blocks)
        self.blocks = []
        if self.clears:
            self.memory.zero_()

    def next_process(self) -> None:
        gpu_memory.HELD.clear()
        self.empty_cache()
        pages = self.memory.view(-1, gpu_memory.ROW)
        pages.copy_(pages[torch.randperm(len(pages), generator=torch.manual_seed(1))].clone())


class TestMemory:
    BITS = message("seed", "gpu_memory", 100)

    @pytest.fixture(params=[False, True], ids=["kept", "cleared"])
    def memory(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeMemory:
        made = FakeMemory(clears=request.param)
        monkeypatch.setattr(gpu_memory, "cuda", lambda: made)
        monkeypatch.setattr(gpu_memory, "_SIZES", (1 << 18, 1 << 17))
        monkeypatch.setattr(gpu_memory, "_KEPT", 1 << 17)
        return made

    def test_what_nobody_cleared_is_found_in_whatever_order_it_comes(
        self, memory: FakeMemory
    ) -> None:
        sent = gpu_memory.send(self.BITS, "public")
        assert (sent["placed"], sent["rows"]) == (100, 224)
        memory.next_process()
        received = gpu_memory.receive(100, "public")
        assert (received["known_wrong"], received["rows"]) == (0, 224)
        assert received["kept_by_driver"] == (0 if memory.clears else gpu_memory.KNOWN)
        # A little is kept for libraries, and so is never looked at.
        assert received["seen"] in ((0,) if memory.clears else range(95, 101))
        sides = [{"gpu_memory": {**side, "bits": 100}} for side in (sent, received)]
        found = judged("gpu_memory", [Round("seed", sides[0], sides[1])])
        assert found.state == ("closed" if memory.clears else "open")

    def test_marks_of_another_round_are_none(self, memory: FakeMemory) -> None:
        gpu_memory.send(self.BITS, "before")
        memory.next_process()
        assert gpu_memory.receive(100, "public")["seen"] == 0

    def test_without_memory_to_spare_nothing_is_known(
        self, memory: FakeMemory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gpu_memory, "_KEPT", 1 << 30)
        with pytest.raises(NotHereError, match="no memory"):
            gpu_memory.send([1], "a")
        with pytest.raises(NotHereError, match="no memory"):
            gpu_memory.receive(1, "a")


def test_what_torch_fails_in_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise RuntimeError("CUDA error: x\nat")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", fails)
    with pytest.raises(NotHereError, match=r"torch on a GPU: .*CUDA error: x"):
        gpu_work.devices()


def test_a_receiver_looks_at_what_fades_and_what_others_disturb_first() -> None:
    order = list(catalog.channels(NOWHERE))
    gpus = [name for name in order if name in GPU_CHANNELS]
    assert gpus == ["gpu_memory", "gpu_figures", "gpu_speed", "gpu_history"]
    # Torch and CUDA wake up after the levels that they would stir.
    assert order.index("gpu_speed") < order.index("load")
    assert order[-2:] == ["processor_caches", "gpu_history"]
