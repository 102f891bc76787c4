"""Many short verifications in one process: nothing may pile up, however busy the machine is."""

import contextlib
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.factories.playground import harness
from tests.sandbox.conftest import leftovers

_OF_CONTAINERS = ("/docker/overlay2/", "/docker/containers/", "/docker/volumes/", "/docker/netns/")


@dataclass(frozen=True)
class Holdings:
    """What this process holds: descriptors, threads, children, mounts, resident bytes."""

    descriptors: int
    threads: int
    children: int
    mounts: int
    resident_bytes: int
    left: tuple[str, ...]

    @classmethod
    def now(cls) -> "Holdings":
        """Count them."""
        gc.collect()
        return cls(
            descriptors=len(os.listdir("/proc/self/fd")),
            threads=threading.active_count(),
            children=len(psutil.Process().children(recursive=True)),
            mounts=_mounts(),
            resident_bytes=psutil.Process().memory_info().rss,
            left=tuple(leftovers()),
        )

    def more_than(self, before: "Holdings") -> list[str]:
        """What has piled up since ``before``; memory is not judged, allocators keep some."""
        return [
            f"{name}: {getattr(before, name)} before, {getattr(self, name)} after"
            for name in ("descriptors", "threads", "children", "mounts")
            if getattr(self, name) > getattr(before, name)
        ] + list(self.left)


def _mounts() -> int:
    """Mounts of this machine, but for those of containers: other tests start some meanwhile.

    Containers and volumes of ours that stay behind are among the leftovers.
    """
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sum(not any(part in place for part in _OF_CONTAINERS) for place in places)


@contextlib.contextmanager
def beside(processes: int) -> Iterator[None]:
    """Keep so many processes computing meanwhile."""
    started = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def soak(arguments: list[str], runs: Path, *, verifications: int) -> tuple[list[int], list[str]]:
    """Verify so many times; exit codes, and what piled up after the first."""
    codes = [harness("verify", *arguments, "--runs", runs).code]
    before = Holdings.now()
    for _ in range(verifications - 1):
        codes.append(harness("verify", *arguments, "--runs", runs).code)
    return codes, Holdings.now().more_than(before)
