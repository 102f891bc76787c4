"""Watches GPUs at a steady rate while something runs, by NVML or nvidia-smi; or memory of a CPU."""

import contextlib
import importlib
import itertools
import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.accelerator.running import descendants

REASONS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clocks",
}
SLOWDOWNS = ("hardware slowdown", "software thermal slowdown", "hardware thermal slowdown",
             "hardware power brake")  # fmt: skip
_BUSY_PERCENT = 50
_FIELDS = "uuid,clocks.sm,utilization.gpu,memory.used,power.draw,temperature.gpu"
_REASON_FIELDS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")

Sample = dict[str, float]


class Watch:
    """Samples while the block runs; :attr:`figures` says what was seen.

    Args:
        devices: UUIDs of GPUs; without any, the memory of all that descends from this process.
        hertz: how often.
    """

    def __init__(self, devices: Sequence[str], *, hertz: float = 5.0) -> None:
        self._devices, self._hertz = frozenset(devices), hertz
        self._ended = threading.Event()
        self._samples: list[Sample] = []
        self._moments: list[float] = []
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._by = "none"

    def __enter__(self) -> Self:
        watch: Callable[[], list[Sample] | None] = self._memory
        if self._devices:
            self._by, watch = _by_nvml(self._devices) or self._by_program()
        self._thread = threading.Thread(target=self._run, args=(watch,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self, watch: Callable[[], list[Sample] | None]) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            try:
                new = watch()
            except Exception:  # noqa: BLE001 - a sample that fails is left out
                new = []
            if new is None:
                return
            if new:
                self._samples += new
                self._moments.append(time.monotonic())
            if self._process is None:  # the program keeps time itself
                due += 1 / self._hertz
                self._ended.wait(max(0.0, due - time.monotonic()))

    def _by_program(self) -> tuple[str, Callable[[], list[Sample] | None]]:
        program = shutil.which("nvidia-smi")
        field = next((f for f in _REASON_FIELDS if program and _answers(program, f)), None)
        if program is None or field is None:
            return "none", lambda: None
        self._process = subprocess.Popen(
            [program, f"--query-gpu={_FIELDS},{field}", "--format=csv,noheader,nounits",
             f"-lms={1000 / self._hertz:.0f}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        lines = self._process.stdout
        assert lines is not None

        def read() -> list[Sample] | None:
            line = lines.readline()
            return _sample_of(line, self._devices) if line else None

        return "nvidia-smi", read

    def _memory(self) -> list[Sample]:
        pages = 0
        for number in descendants(os.getpid()):
            with contextlib.suppress(OSError, ValueError, IndexError):
                pages += int(Path(f"/proc/{number}/statm").read_text().split()[1])
        return [{"memory_mib": pages * os.sysconf("SC_PAGE_SIZE") / 2**20}]

    @property
    def figures(self) -> dict[str, Any]:
        """What was seen; clock rates of GPUs that were at least half busy."""
        samples, moments = list(self._samples), list(self._moments)
        found: dict[str, Any] = {"by": self._by if self._devices else "/proc"}
        if self._process is not None:  # which has a line for each GPU
            moments = moments[:: max(1, len(self._devices))]
        found["samples"] = len(moments)
        if len(moments) > 1:
            gaps = [after - before for before, after in itertools.pairwise(moments)]
            found["hertz"] = round(len(gaps) / (moments[-1] - moments[0]), 2)
            found["longest_gap_seconds"] = round(max(gaps), 3)
        if samples:
            found["peak_memory_mib"] = round(max(each["memory_mib"] for each in samples), 1)
        busy = [each for each in samples if each.get("busy", 0) >= _BUSY_PERCENT]
        if busy:
            clocks = [each["clock_mhz"] for each in busy]
            found |= {
                "busy_samples": len(busy),
                "clock_mhz": [min(clocks), statistics.median(clocks), max(clocks)],
                "most_watts": max(each["watts"] for each in busy),
                "hottest_celsius": max(each["celsius"] for each in busy),
                "reasons": sorted({name for each in busy for name in _names(each["reasons"])}),
            }
        return found


def _names(mask: float) -> list[str]:
    return [name for bit, name in REASONS.items() if int(mask) & bit]


def _answers(program: str, field: str) -> bool:
    try:
        done = subprocess.run(
            [program, f"--query-gpu={_FIELDS},{field}", "--format=csv,noheader,nounits"],
            capture_output=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _sample_of(line: str, devices: frozenset[str]) -> list[Sample]:
    uuid, *rest, reasons = (part.strip() for part in line.split(","))
    if uuid not in devices:
        return []
    values = []
    for text in rest:
        try:
            values.append(float(text))
        except ValueError:
            values.append(0.0)
    names = ("clock_mhz", "busy", "memory_mib", "watts", "celsius")
    mask = int(reasons, 16) if reasons.startswith("0x") else 0
    return [{**dict(zip(names, values, strict=True)), "reasons": float(mask)}]


def _by_nvml(devices: frozenset[str]) -> tuple[str, Callable[[], list[Sample] | None]] | None:
    """A sampler by NVML's own library; None where its Python package or the driver is missing."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByUUID(uuid.encode()) for uuid in sorted(devices)]
    except Exception:  # noqa: BLE001 - whatever is wrong with it, nvidia-smi takes its place
        return None
    reasons = getattr(
        nvml,
        "nvmlDeviceGetCurrentClocksEventReasons",
        getattr(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", None),
    )

    def value(handle: Any, read: Callable[[Any], Any]) -> float:
        try:
            return float(read(handle))
        except Exception:  # noqa: BLE001 - not every part has every sensor
            return 0.0

    readers: dict[str, Callable[[Any], Any]] = {
        "clock_mhz": lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_SM),
        "busy": lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu,
        "memory_mib": lambda h: nvml.nvmlDeviceGetMemoryInfo(h).used / 2**20,
        "watts": lambda h: nvml.nvmlDeviceGetPowerUsage(h) / 1000,
        "celsius": lambda h: nvml.nvmlDeviceGetTemperature(h, nvml.NVML_TEMPERATURE_GPU),
        "reasons": lambda h: reasons(h) if reasons else 0,
    }

    def sample() -> list[Sample]:
        return [{name: value(h, read) for name, read in readers.items()} for h in handles]

    return "NVML", sample
