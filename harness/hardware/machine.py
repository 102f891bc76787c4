"""What machine this is, whether it is what a track asks for, and what its GPUs do meanwhile."""

import contextlib
import os
import platform
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.contest.track import Track
from harness.errors import InfrastructureError
from harness.evidence.facts import Accelerator, MachineFacts, Throttle
from harness.hardware.nvidia_smi import (
    REMEDY,
    TIMEOUT_SECONDS,
    integer,
    nvidia_smi,
    query_gpus,
    rows_of,
)

_MIB = 1 << 20
_UUID = re.compile(r"GPU-[0-9a-fA-F-]{8,64}")
_SLOWDOWNS = (
    "hw_slowdown",
    "hw_thermal_slowdown",
    "sw_thermal_slowdown",
    "hw_power_brake_slowdown",
)
# Newer drivers renamed the fields; both spellings are asked for until one is answered.
_REASON_PREFIXES = ("clocks_event_reasons", "clocks_throttle_reasons")
_BUSY_PERCENT = 50


def accelerators(
    *, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[tuple[Accelerator, ...], str]:
    """The NVIDIA GPUs of this machine in the driver's order, and the driver's version.

    A GPU that is partitioned (MIG) has `` (MIG)`` after its name, so it is never taken for a
    whole one. Without nvidia-smi, or without a device, there are none.

    Raises:
        InfrastructureError: nvidia-smi hangs, fails or answers nonsense.
    """
    fields = ("name", "uuid", "memory.total", "driver_version", "mig.mode.current")
    found = []
    driver = ""
    for row in query_gpus(fields, timeout_seconds=timeout_seconds):
        if not row["name"] or not _UUID.fullmatch(row["uuid"]):
            raise InfrastructureError(
                f"nvidia-smi answered name {row['name'][:60]!r} and UUID {row['uuid'][:60]!r}, "
                "which name no GPU",
                remedy=REMEDY,
            )
        partitioned = row["mig.mode.current"].lower() == "enabled"
        memory_mib = integer(row["memory.total"], field="memory.total")
        found.append(
            Accelerator(
                name=row["name"] + (" (MIG)" if partitioned else ""),
                uuid=row["uuid"],
                memory_bytes=(memory_mib or 0) * _MIB,
            )
        )
        driver = row["driver_version"]
    return tuple(found), driver


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in (
            Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        ):
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _usable_cores() -> int:
    """Cores that this process may run on; a quota of its control group counts as well."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, period = "max", "100000"
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        cores = min(cores, max(-(-int(quota) // int(period)), 1))
    return cores


def machine(*, needs_accelerators: bool = False) -> MachineFacts:
    """This machine.

    Args:
        needs_accelerators: whether GPUs matter. Otherwise an nvidia-smi that does not work is
            taken for none, so that it cannot keep a run from a machine that needs no GPU.

    Raises:
        InfrastructureError: GPUs matter, and nvidia-smi hangs, fails or answers nonsense.
    """
    gpus: tuple[Accelerator, ...] = ()
    driver = ""
    try:
        gpus, driver = accelerators()
    except InfrastructureError:
        if needs_accelerators:
            raise
    return MachineFacts(
        processor=_processor(),
        cores=_usable_cores(),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        accelerators=gpus,
        driver=driver,
    )


def accelerator_uuids(track: Track, machine: MachineFacts) -> tuple[str, ...]:
    """UUIDs of the GPUs that a run on this track gets: the first that bear the exact name."""
    named = [
        gpu.uuid for gpu in machine.accelerators if gpu.name == track.hardware.accelerator_name
    ]
    return tuple(named[: track.hardware.accelerators])


def missing_for(track: Track, machine: MachineFacts) -> list[str]:
    """What this machine lacks for a track, one sentence each; empty when nothing."""
    wanted = track.hardware
    if wanted.accelerators == 0:
        return []
    missing = []
    if not machine.system.startswith("Linux"):
        missing.append(f"track {track.name} needs Linux; this is {machine.system}")
    found = len(accelerator_uuids(track, machine))
    if found < wanted.accelerators:
        need = f"track {track.name} needs {wanted.accelerators} x {wanted.accelerator_name!r}"
        others: dict[str, int] = {}
        for gpu in machine.accelerators:
            if gpu.name != wanted.accelerator_name:
                others[gpu.name] = others.get(gpu.name, 0) + 1
        if not machine.accelerators:
            missing.append(f"{need}; nvidia-smi shows no GPU here")
        else:
            missing.append(f"{need}; {found} of them are here")
        missing += [
            f"{count} x {name!r} {'does' if count == 1 else 'do'} not count: "
            f"the name must be {wanted.accelerator_name!r} exactly"
            for name, count in sorted(others.items())
        ]
    return missing


def disk_free_bytes(path: Path) -> int:
    """Bytes that we may still write on the disk that holds ``path``, which need not exist yet.

    Raises:
        InfrastructureError: the disk does not answer, or nothing can be written there at all.
    """
    existing = path.absolute()
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        usage = shutil.disk_usage(existing)
        if usage.total == 0 or not os.access(existing, os.W_OK):
            raise InfrastructureError(
                f"{path}: cannot be written: {existing} is no place where you may store files",
                remedy="name a directory on a disk that you may write to",
            )
        return usage.free
    except OSError as error:
        raise InfrastructureError(
            f"{existing}: cannot tell how much space is free: {error}",
            remedy="check that the disk is mounted and that you may read it",
        ) from error


class Telemetry:
    """Watches GPUs from a thread of its own while a phase runs; does nothing without GPUs.

    A sample that fails is left out, so ``samples`` says how much was seen.

    Args:
        uuids: the GPUs to watch.
        interval_seconds: time between samples.
        is_ours: whether a process id belongs to the phase. Without it, foreign are those
            compute processes that already used these GPUs when the context was entered, which
            must then happen before the phase starts.
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
    def throttle(self) -> Throttle:
        """What was seen so far. Clocks count only of GPUs that are at least half busy."""
        with self._lock:
            return Throttle(
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
