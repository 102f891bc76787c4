"""NVIDIA's driver, asked through its library (NVML, by the package nvidia-ml-py).

Package, driver or devices may be absent, and a driver may be broken or hang. What it says is used
as figures alone: numbers, and names that are compared or cleaned by whoever shows them.
"""

import contextlib
import importlib
import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from harness.errors import InfrastructureError
from harness.package import install_command

REMEDY = "run nvidia-smi yourself; reload or reinstall the NVIDIA driver, or restart the machine"
PACKAGE = "pynvml"
TIMEOUT_SECONDS = 15.0
# Codes of NVML (nvml.h), as its errors carry them.
_NO_DEVICE = frozenset({6, 9, 12, 28})  # not found, driver not loaded, no library, GPU not found
_NO_VALUE = frozenset({3, 4, 13, 21})  # not supported, not permitted, no such function, no data
_SM, _MEMORY, _GPU_SENSOR = 1, 2, 0
SLOWDOWNS = {
    0x08: "hw_slowdown",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
}
"""Reasons for lower clocks that are no choice of ours, by bit. (At the power limit, 0x04, an
accelerator works as it is meant to.)"""

Answer = TypeVar("Answer")


class Nvml(Protocol):
    """What is used of the module ``pynvml``; handles are its own, and mean nothing to us."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None:
        """Begin; counted, so each needs its end."""

    def nvmlShutdown(self) -> None:
        """End."""

    def nvmlSystemGetDriverVersion(self) -> str:
        """As ``580.65.06``."""

    def nvmlDeviceGetCount(self) -> int:
        """Devices of this machine."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        """In the driver's order."""

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        """As ``GPU-...``."""

    def nvmlDeviceGetName(self, handle: Any) -> str:
        """As ``NVIDIA H100 80GB HBM3``."""

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        """``total``, in bytes."""

    def nvmlDeviceGetMigMode(self, handle: Any) -> Sequence[int]:
        """Now, and after the next reset: 1 where the device is partitioned."""

    def nvmlDeviceGetClockInfo(self, handle: Any, type: int) -> int:
        """MHz, of a kind of clock."""

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        """Milliwatts."""

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Any) -> int:
        """Milliwatts."""

    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int:
        """Degrees Celsius."""

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:
        """``gpu``, in percent of the time."""

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: Any) -> int:
        """Why clocks are lower than they could be: bits."""

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Sequence[Any]:
        """Each with its ``pid``."""


class AbsentError(Exception):
    """There is no accelerator to ask, and the sentence says what is not there."""


class Sample(NamedTuple):
    """What one accelerator does at a moment; None where the driver has no value."""

    sm_mhz: int | None
    memory_mhz: int | None
    milliwatts: int | None
    limit_milliwatts: int | None
    celsius: int | None
    busy_percent: int | None
    reasons: int | None


class Device:
    """One accelerator. Its questions raise InfrastructureError where the driver fails."""

    def __init__(self, nvml: Nvml, index: int) -> None:
        self._nvml = nvml
        self._handle = self._answer(lambda: nvml.nvmlDeviceGetHandleByIndex(index))
        self.uuid = _text(self._answer(lambda: nvml.nvmlDeviceGetUUID(self._handle)))

    @property
    def name(self) -> str:
        """The part that it is."""
        return _text(self._answer(lambda: self._nvml.nvmlDeviceGetName(self._handle)))

    @property
    def memory_bytes(self) -> int | None:
        """All of its memory."""
        info = self._value(lambda: self._nvml.nvmlDeviceGetMemoryInfo(self._handle).total)
        return info

    @property
    def is_partitioned(self) -> bool:
        """Whether only parts of it are given out (MIG)."""
        mode = self._value(lambda: self._nvml.nvmlDeviceGetMigMode(self._handle)[0])
        return mode == 1

    @property
    def processes(self) -> frozenset[int]:
        """Ids of all that compute on it."""
        running = self._answer(
            lambda: self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        )
        return frozenset(int(process.pid) for process in running)

    def sample(self) -> Sample:
        """What it does now."""
        nvml, at, value = self._nvml, self._handle, self._value
        return Sample(
            sm_mhz=value(lambda: nvml.nvmlDeviceGetClockInfo(at, _SM)),
            memory_mhz=value(lambda: nvml.nvmlDeviceGetClockInfo(at, _MEMORY)),
            milliwatts=value(lambda: nvml.nvmlDeviceGetPowerUsage(at)),
            limit_milliwatts=value(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(at)),
            celsius=value(lambda: nvml.nvmlDeviceGetTemperature(at, _GPU_SENSOR)),
            busy_percent=value(lambda: nvml.nvmlDeviceGetUtilizationRates(at).gpu),
            reasons=value(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(at)),
        )

    def _answer(self, ask: Callable[[], Answer]) -> Answer:
        with failures(self._nvml):
            return ask()

    def _value(self, ask: Callable[[], Any]) -> int | None:
        try:
            return int(ask())
        except self._nvml.NVMLError as error:
            if _code(error) in _NO_VALUE:
                return None
            raise _failed(error) from error


class Driver(NamedTuple):
    """The driver while it is open: its version, and all devices in its order."""

    version: str
    devices: tuple[Device, ...]


@contextlib.contextmanager
def driver() -> Iterator[Driver]:
    """The driver, while the block lasts.

    Raises:
        AbsentError: there is no package, no driver, or no device.
        InfrastructureError: the driver is broken.
    """
    nvml = library()
    if nvml is None:
        raise AbsentError(f"nvidia-ml-py is not installed: {install_command('verify')}")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if _code(error) in _NO_DEVICE:
            raise AbsentError(f"NVIDIA's driver is not there ({_said(error)})") from error
        raise _failed(error) from error
    try:
        with failures(nvml):
            version, count = nvml.nvmlSystemGetDriverVersion(), nvml.nvmlDeviceGetCount()
        if not count:
            raise AbsentError(f"the NVIDIA driver {_text(version)} shows no device")
        yield Driver(_text(version), tuple(Device(nvml, index) for index in range(count)))
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def library() -> Nvml | None:
    """The package, if it is installed. It is imported where it is needed, and not before."""
    if importlib.util.find_spec(PACKAGE) is None:
        return None
    module: ModuleType = importlib.import_module(PACKAGE)
    return cast(Nvml, module)


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What ``ask`` returns or raises, in a thread that is left alone if the driver hangs.

    Raises:
        InfrastructureError: no answer within so many seconds.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(ask())
        # Raised again by who asked.
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=work, name="nvml", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise InfrastructureError(
            f"the NVIDIA driver gave no answer within {seconds:g} s", remedy=REMEDY
        )
    return answers[0]


@contextlib.contextmanager
def failures(nvml: Nvml) -> Iterator[None]:
    """What the library raises, as an error of ours."""
    try:
        yield
    except nvml.NVMLError as error:
        raise _failed(error) from error


def _failed(error: Exception) -> InfrastructureError:
    return InfrastructureError(f"the NVIDIA driver failed: {_said(error)}", remedy=REMEDY)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _code(error: Exception) -> int | None:
    return getattr(error, "value", None)


def _text(said: str | bytes) -> str:
    """Older packages give bytes."""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
