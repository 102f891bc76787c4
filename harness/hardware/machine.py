"""What machine this is, and whether it meets the requirements of a track."""

import contextlib
import os
import platform
import re
import shutil
from pathlib import Path

from harness.contest.track import Track
from harness.errors import InfrastructureError
from harness.evidence.host import Accelerator, MachineFacts
from harness.hardware.nvml import (
    REMEDY,
    TIMEOUT_SECONDS,
    AbsentError,
    Device,
    driver,
    within,
)

OLDEST_DRIVER = 580
"""Of CUDA 13, which the image's PyTorch is built for. With an older one PyTorch sees no GPU, and
a submission would train on the processor, for which it is not to blame."""
_UUID = re.compile(r"GPU-[0-9a-fA-F-]{8,64}")


def accelerators(
    *, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[tuple[Accelerator, ...], str]:
    """The NVIDIA GPUs of this machine in the driver's order, and the driver's version.

    A GPU that is partitioned (MIG) has `` (MIG)`` after its name, so it is never mistaken for a
    whole one.

    Raises:
        AbsentError: there is none, and it says why.
        InfrastructureError: the driver hangs, fails or answers nonsense.
    """

    def ask() -> tuple[tuple[Accelerator, ...], str]:
        with driver() as opened:
            return tuple(map(_described, opened.devices)), opened.version

    return within(timeout_seconds, ask)


def _described(device: Device) -> Accelerator:
    name = device.name
    if not name or not _UUID.fullmatch(device.uuid):
        raise InfrastructureError(
            f"the NVIDIA driver answered name {name[:60]!r} and UUID {device.uuid[:60]!r}, "
            "which name no GPU",
            remedy=REMEDY,
        )
    return Accelerator(
        name=name + (" (MIG)" if device.is_partitioned else ""),
        uuid=device.uuid,
        memory_bytes=device.memory_bytes or 0,
    )


def why_no_accelerator() -> str:
    """Why none is seen on this machine; empty where one is."""
    try:
        accelerators()
    except AbsentError as error:
        return str(error)
    except InfrastructureError as error:
        return error.detail
    return ""


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
    """How many cores this process may use; a quota of its control group counts as well."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, period = "max", "100000"
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        cores = min(cores, max(-(-int(quota) // int(period)), 1))
    return cores


def load_average() -> float | None:
    """The load average of this machine over one minute, in running processes; None if unknown."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def machine(*, needs_accelerators: bool = False) -> MachineFacts:
    """Describe this machine.

    Args:
        needs_accelerators: whether GPUs matter. If not, a driver that does not work is treated as
            absent, so that it cannot stop a run that needs no GPU.

    Raises:
        InfrastructureError: GPUs matter, and the driver hangs, fails or answers nonsense.
    """
    gpus: tuple[Accelerator, ...] = ()
    version = ""
    try:
        gpus, version = accelerators()
    except AbsentError:
        pass
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
        driver=version,
    )


def fitted(track: Track) -> Track:
    """The track as it is run on this machine: one that takes hardware as found names it then.

    Raises:
        InfrastructureError: the track uses what is there, and the driver does not say what is.
    """
    if not track.hardware.as_found:
        return track
    names = [gpu.name for gpu in machine(needs_accelerators=True).accelerators]
    return track.model_copy(update={"hardware": track.hardware.found(names)})


def accelerator_uuids(track: Track, machine: MachineFacts) -> tuple[str, ...]:
    """UUIDs of the GPUs that a run on this track gets: the first ones with the exact name."""
    named = [
        gpu.uuid for gpu in machine.accelerators if gpu.name == track.hardware.accelerator_name
    ]
    return tuple(named[: track.hardware.accelerators])


def missing_for(track: Track, machine: MachineFacts) -> list[str]:
    """What this machine lacks for a track, one sentence each; empty when it lacks nothing."""
    wanted = track.hardware
    if wanted.accelerators == 0:
        return []
    missing = []
    if not machine.system.startswith("Linux"):
        missing.append(f"track {track.name} needs Linux; this is {machine.system}")
    version = machine.driver.partition(".")[0]
    if version.isdecimal() and int(version) < OLDEST_DRIVER:
        missing.append(
            f"the image's PyTorch needs the NVIDIA driver {OLDEST_DRIVER} or newer; "
            f"this is {machine.driver}"
        )
    found = len(accelerator_uuids(track, machine))
    if found < wanted.accelerators:
        need = f"track {track.name} needs {wanted.accelerators} x {wanted.accelerator_name!r}"
        others: dict[str, int] = {}
        for gpu in machine.accelerators:
            if gpu.name != wanted.accelerator_name:
                others[gpu.name] = others.get(gpu.name, 0) + 1
        if not machine.accelerators:
            missing.append(f"{need}; there is none here: {why_no_accelerator() or 'none was seen'}")
        else:
            missing.append(f"{need}; {found} of them are here")
        missing += [
            f"{count} x {name!r} {'does' if count == 1 else 'do'} not count: "
            f"the name must be {wanted.accelerator_name!r} exactly"
            for name, count in sorted(others.items())
        ]
    return missing


def check_machine(track: Track, here: MachineFacts | None = None) -> None:
    """Require that this machine is one that a track can be run on.

    ``here`` is what it is, where that is known.

    Raises:
        InfrastructureError: what it lacks.
    """
    here = here or machine(needs_accelerators=track.hardware.accelerators > 0)
    if missing := missing_for(track, here):
        raise InfrastructureError(
            f"this machine does not meet track {track.name}: {'; '.join(missing)}",
            remedy="run it on a machine that does, or rehearse with --track smoke",
        )


def disk_free_bytes(path: Path) -> int:
    """Free bytes, for us, on the disk that holds ``path``, which need not exist yet.

    Raises:
        InfrastructureError: the disk does not answer, or we may not write to it at all.
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
