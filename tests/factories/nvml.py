"""A driver of GPUs that says whatever a test wants: the module ``pynvml``, made up."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

UUID = "GPU-00000000-0000-0000-0000-00000000000{}"
SXM = "NVIDIA H100 80GB HBM3"
NOT_SUPPORTED, NOT_FOUND, NO_DRIVER, NO_LIBRARY, LOST = 3, 6, 9, 12, 15


class NVMLError(Exception):
    """As the package raises it, with NVML's code."""

    def __init__(self, value: int, said: str = "an error of the driver") -> None:
        super().__init__(said)
        self.value = value


@dataclass
class Gpu:
    """One device. A figure may be an error's code, which is raised when it is asked for."""

    number: int
    name: Any = SXM
    memory_bytes: Any = 81559 << 20
    mig: Any = 0
    sm_mhz: Any = 1980
    memory_mhz: Any = 2619
    milliwatts: Any = 650_000
    limit_milliwatts: Any = 700_000
    celsius: Any = 61
    busy_percent: Any = 97
    reasons: Any = 0x4
    processes: Any = ()
    uuid: str = ""

    def __post_init__(self) -> None:
        self.uuid = self.uuid or UUID.format(self.number)


@dataclass
class Failing:
    """A figure that cannot be had."""

    code: int


@dataclass
class FakeNvml:
    """The module. ``hangs``: seconds that every question takes; ``starts`` may be an error."""

    gpus: list[Gpu] = field(default_factory=list)
    version: Any = "580.65.06"
    starts: Failing | None = None
    hangs: float = 0.0
    open: int = 0
    asked: int = 0
    when_asked: Callable[["FakeNvml"], None] = lambda nvml: None
    NVMLError: type[Exception] = NVMLError

    def _said(self, figure: Any) -> Any:
        if self.open < 1:
            raise NVMLError(1, "Uninitialized")
        time.sleep(self.hangs)
        if isinstance(figure, Failing):
            raise NVMLError(figure.code)
        return figure

    def nvmlInit(self) -> None:
        if self.starts is not None:
            raise NVMLError(self.starts.code, "Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> Any:
        return self._said(self.version)

    def nvmlDeviceGetCount(self) -> Any:
        return self._said(len(self.gpus))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        return self._said(self.gpus[index])

    def nvmlDeviceGetUUID(self, handle: Gpu) -> Any:
        return self._said(handle.uuid)

    def nvmlDeviceGetName(self, handle: Gpu) -> Any:
        return self._said(handle.name)

    def nvmlDeviceGetMemoryInfo(self, handle: Gpu) -> Any:
        return SimpleNamespace(total=self._said(handle.memory_bytes))

    def nvmlDeviceGetMigMode(self, handle: Gpu) -> Any:
        return [self._said(handle.mig), 0]

    def nvmlDeviceGetClockInfo(self, handle: Gpu, type: int) -> Any:
        if type == 1:
            self.asked += 1
            self.when_asked(self)
        return self._said({1: handle.sm_mhz, 2: handle.memory_mhz}[type])

    def nvmlDeviceGetPowerUsage(self, handle: Gpu) -> Any:
        return self._said(handle.milliwatts)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Gpu) -> Any:
        return self._said(handle.limit_milliwatts)

    def nvmlDeviceGetTemperature(self, handle: Gpu, sensor: int) -> Any:
        assert sensor == 0
        return self._said(handle.celsius)

    def nvmlDeviceGetUtilizationRates(self, handle: Gpu) -> Any:
        return SimpleNamespace(gpu=self._said(handle.busy_percent))

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: Gpu) -> Any:
        return self._said(handle.reasons)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Gpu) -> Any:
        return [SimpleNamespace(pid=pid) for pid in self._said(handle.processes)]
