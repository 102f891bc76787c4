"""What the accelerators do while a phase runs."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from harness.errors import InfrastructureError
from harness.evidence.host import TelemetryFacts
from harness.evidence.telemetry_file import COLUMNS, Curves
from harness.hardware.nvml import (
    SLOWDOWNS,
    TIMEOUT_SECONDS,
    AbsentError,
    Device,
    Sample,
    driver,
    within,
)
from harness.safeio.files import sha256_of_bytes, write_atomically

INTERVAL_SECONDS = 0.2
MOST_MOMENTS = 16_384
"""Kept in memory and in the file: nearly an hour. After that, every other one is given up."""
_BUSY_PERCENT = 50
_LONGEST = 500


class Telemetry:
    """Samples accelerators in a thread of its own while a phase runs; does nothing without any.

    A failed sample is left out; ``samples`` counts those that succeeded.

    Args:
        uuids: the accelerators to watch.
        interval_seconds: time between samples.
        is_ours: whether a process id belongs to the phase. Without it, the foreign processes are
            the compute processes that already used these accelerators when the context was
            entered; enter it before the phase starts.
        file: gets what was seen at each moment; nothing is written where nothing was seen.
    """

    def __init__(
        self,
        uuids: Sequence[str],
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        is_ours: Callable[[int], bool] | None = None,
        file: Path | None = None,
    ) -> None:
        self._uuids = tuple(uuids)
        self._interval_seconds = interval_seconds
        self._is_ours = is_ours
        self._file = file
        self._ended = threading.Event()
        self._begun = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._samples = 0
        self._slowdowns = 0
        self._lowest_mhz: int | None = None
        self._foreign: set[int] = set()
        # Until something was seen, or said otherwise.
        self._missing = "no telemetry: the NVIDIA driver gave no answer" if uuids else ""
        self._moments = _Moments(self._uuids)

    def __enter__(self) -> Self:
        if self._uuids:
            self._thread = threading.Thread(target=self._watch, name="telemetry", daemon=True)
            self._thread.start()
            # What computes already is looked at before the phase can start.
            self._begun.wait(TIMEOUT_SECONDS if self._is_ours is None else 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def facts(self) -> TelemetryFacts:
        """What was seen so far. Clock rates count only for devices that are at least half busy."""
        with self._lock:
            return TelemetryFacts(
                samples=self._samples,
                slowdowns=tuple(
                    sorted(name for bit, name in SLOWDOWNS.items() if self._slowdowns & bit)
                ),
                lowest_sm_clock_mhz=self._lowest_mhz,
                foreign_processes=len(self._foreign),
                missing=self._missing or None if not self._samples else None,
            )

    def finish(self) -> TelemetryFacts:
        """End, keep the file, and say what was seen.

        Raises:
            InfrastructureError: the file cannot be written.
        """
        self._stop()
        facts = self.facts
        if self._file is None or not facts.samples:
            return facts
        with self._lock:
            content = self._moments.curves().to_bytes()
        write_atomically(self._file, content)
        return facts.model_copy(update={"file_sha256": sha256_of_bytes(content)})

    def _stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_SECONDS)  # it may hang in the driver

    def _watch(self) -> None:
        try:
            with driver() as opened:
                by_uuid = {device.uuid: device for device in opened.devices}
                watched = {uuid: by_uuid[uuid] for uuid in self._uuids if uuid in by_uuid}
                if not watched:
                    raise AbsentError("the driver shows none of the accelerators of this run")
                self._go_on(watched)
        except (AbsentError, InfrastructureError) as error:
            self._say(error)
        finally:
            self._begun.set()

    def _go_on(self, watched: dict[str, Device]) -> None:
        if self._is_ours is None:
            with contextlib.suppress(InfrastructureError):
                self._see(_processes(watched))
        self._begun.set()
        began = due = time.monotonic()
        while not self._ended.is_set():
            try:
                self._sample(watched, began)
            except InfrastructureError as error:
                self._say(error)
            # Steady, however long the driver takes; what was missed is not caught up with.
            due = max(due + self._interval_seconds, time.monotonic())
            self._ended.wait(due - time.monotonic())

    def _sample(self, watched: dict[str, Device], began: float) -> None:
        seconds = time.monotonic() - began
        seen = {uuid: device.sample() for uuid, device in watched.items()}
        foreign: set[int] = set()
        if (is_ours := self._is_ours) is not None:
            foreign = {pid for pid in _processes(watched) if not is_ours(pid)}
        self._see(foreign)
        with self._lock:
            for sample in seen.values():
                self._slowdowns |= sample.reasons or 0
                if sample.sm_mhz is not None and (sample.busy_percent or 0) >= _BUSY_PERCENT:
                    self._lowest_mhz = min(sample.sm_mhz, self._lowest_mhz or sample.sm_mhz)
            self._samples += 1
            self._moments.add(seconds, seen)

    def _say(self, error: AbsentError | InfrastructureError) -> None:
        said = error.detail if isinstance(error, InfrastructureError) else str(error)
        with self._lock:
            self._missing = f"no telemetry: {said}"[:_LONGEST]

    def _see(self, foreign: set[int]) -> None:
        with self._lock:
            self._foreign |= foreign


def power_limit_watts(uuids: Sequence[str]) -> float | None:
    """The lowest limit of power that is in force for any of these accelerators; None if unknown."""

    def ask() -> list[int | None]:
        with driver() as opened:
            wanted = [device for device in opened.devices if device.uuid in uuids]
            return [device.sample().limit_milliwatts for device in wanted]

    try:
        limits = within(TIMEOUT_SECONDS, ask) if uuids else []
    except (AbsentError, InfrastructureError):
        return None
    known = [limit for limit in limits if limit is not None]
    return min(known) / 1000 if known and len(known) == len(limits) else None


def _processes(watched: dict[str, Device]) -> set[int]:
    return {pid for device in watched.values() for pid in device.processes}


class _Moments:
    """Samples by moment, at most so many: when there is no room, every other one goes."""

    def __init__(self, uuids: tuple[str, ...]) -> None:
        self._uuids = uuids
        self._kept: list[tuple[float, list[tuple[int, ...]]]] = []
        self._step, self._seen = 1, 0

    def add(self, seconds: float, seen: dict[str, Sample]) -> None:
        """One moment; only every so many are kept once there were too many."""
        if self._seen % self._step == 0:
            if len(self._kept) == MOST_MOMENTS:
                self._kept, self._step = self._kept[::2], 2 * self._step
            rows = [
                tuple(-1 if value is None else min(value, (1 << 31) - 1) for value in sample)
                for sample in (seen.get(uuid, _NOTHING) for uuid in self._uuids)
            ]
            if self._seen % self._step == 0:
                self._kept.append((seconds, rows))
        self._seen += 1

    def curves(self) -> Curves:
        """All that is kept, as columns."""
        cells = np.array([rows for _, rows in self._kept], np.int32)
        return Curves(
            uuids=self._uuids,
            seconds=np.array([seconds for seconds, _ in self._kept], np.float32),
            columns={name: cells[:, :, place] for place, name in enumerate(COLUMNS)},
        )


_NOTHING = Sample(*(None for _ in Sample._fields))
