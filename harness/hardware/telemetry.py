"""What the accelerators do while a phase runs."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from harness.errors import InfrastructureError
from harness.evidence.host import TelemetryFacts
from harness.hardware.nvidia_smi import TIMEOUT_SECONDS, integer, nvidia_smi, query_gpus, rows_of

_SLOWDOWNS = (
    "hw_slowdown",
    "hw_thermal_slowdown",
    "sw_thermal_slowdown",
    "hw_power_brake_slowdown",
)
# Newer drivers renamed the fields; both spellings are tried until one is answered.
_REASON_PREFIXES = ("clocks_event_reasons", "clocks_throttle_reasons")
_BUSY_PERCENT = 50


class Telemetry:
    """Samples GPUs in a thread of its own while a phase runs; does nothing without GPUs.

    A failed sample is left out; ``samples`` counts those that succeeded.

    Args:
        uuids: the GPUs to watch.
        interval_seconds: time between samples.
        is_ours: whether a process id belongs to the phase. Without it, the foreign processes are
            the compute processes that already used these GPUs when the context was entered; enter
            it before the phase starts.
    """

    def __init__(
        self,
        uuids: Sequence[str],
        *,
        interval_seconds: float = 2.0,
        is_ours: Callable[[int], bool] | None = None,
    ) -> None:
        self._uuids = frozenset(uuids)
        self._interval_seconds = interval_seconds
        self._is_ours = is_ours
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._prefix: str | None = None
        self._samples = 0
        self._slowdowns: set[str] = set()
        self._lowest_mhz: int | None = None
        self._foreign: set[int] = set()

    def __enter__(self) -> Self:
        if self._uuids:
            with contextlib.suppress(InfrastructureError):
                self._foreign |= self._compute_processes()
            self._thread = threading.Thread(target=self._watch, name="telemetry", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_SECONDS)

    @property
    def facts(self) -> TelemetryFacts:
        """What was seen so far. Clock rates count only for GPUs that are at least half busy."""
        with self._lock:
            return TelemetryFacts(
                samples=self._samples,
                slowdowns=tuple(sorted(self._slowdowns)),
                lowest_sm_clock_mhz=self._lowest_mhz,
                foreign_processes=len(self._foreign),
            )

    def _watch(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(InfrastructureError):
                self._sample()
            self._ended.wait(self._interval_seconds)

    def _sample(self) -> None:
        rows = [row for row in self._clock_rows() if row["uuid"] in self._uuids]
        processes = self._compute_processes() if self._is_ours is not None else set()
        with self._lock:
            for row in rows:
                self._slowdowns.update(name for name in _SLOWDOWNS if row[name] == "Active")
                clock = integer(row["clocks.sm"], field="clocks.sm")
                busy = integer(row["utilization.gpu"], field="utilization.gpu")
                if clock is not None and busy is not None and busy >= _BUSY_PERCENT:
                    self._lowest_mhz = min(clock, self._lowest_mhz or clock)
            self._foreign |= processes
            self._samples += 1 if rows else 0

    def _clock_rows(self) -> list[dict[str, str]]:
        plain_fields = ("uuid", "clocks.sm", "utilization.gpu")
        for prefix in (self._prefix,) if self._prefix else _REASON_PREFIXES:
            asked = (*plain_fields, *(f"{prefix}.{name}" for name in _SLOWDOWNS))
            try:
                rows = query_gpus(asked, timeout_seconds=TIMEOUT_SECONDS)
            except InfrastructureError:
                if prefix == _REASON_PREFIXES[-1] or self._prefix:
                    raise
                continue
            self._prefix = prefix
            names = (*plain_fields, *_SLOWDOWNS)
            return [dict(zip(names, row.values(), strict=True)) for row in rows]
        return []

    def _compute_processes(self) -> set[int]:
        fields = ("gpu_uuid", "pid")
        output = nvidia_smi(
            f"--query-compute-apps={','.join(fields)}", "--format=csv,noheader,nounits"
        )
        pids = set()
        for row in rows_of(output or "", fields):
            pid = integer(row["pid"], field="pid")
            foreign = pid is not None and (self._is_ours is None or not self._is_ours(pid))
            if row["gpu_uuid"] in self._uuids and pid is not None and foreign:
                pids.add(pid)
        return pids
