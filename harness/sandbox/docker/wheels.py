"""The wheel directory from which images are built: filled by pip, compared with a lock.

``docker/KIND-cp311-x86_64.lock`` pins every package and the SHA-256 of every wheel for
one Python and one machine. Wheels lie in ``wheels/`` under the same name, where
:mod:`harness.sandbox.docker.build_files` keeps them.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError
from harness.safeio.files import disk_errors, sha256_of, write_atomically
from harness.safeio.text import plain_line
from harness.sandbox.docker.build_files import told_path
from harness.sandbox.docker.kinds import ImageKind, recipe_of
from harness.sandbox.docker.lasting import told_while

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.+!_-]+)"
    r" --hash=sha256:(?P<sha256>[0-9a-f]{64})"
)
_OLDEST_GLIBC_MINOR = 17
_PIP_SECONDS = 1_800.0


@dataclass(frozen=True)
class Target:
    """What wheels are for: CPython's version, the machine, and the C library of the base."""

    kind: ImageKind
    python: tuple[int, int]
    machine: str
    glibc: tuple[int, int]

    @property
    def name(self) -> str:
        """Names the lock and the wheel directory."""
        return f"{self.kind}-cp{self.python[0]}{self.python[1]}-{self.machine}"

    @property
    def pip_options(self) -> list[str]:
        """Make pip choose for this target, whatever machine it runs on itself."""
        versions = range(self.glibc[1], _OLDEST_GLIBC_MINOR - 1, -1)
        platforms = [f"manylinux_{self.glibc[0]}_{minor}_{self.machine}" for minor in versions]
        platforms += [f"manylinux2014_{self.machine}", f"linux_{self.machine}"]
        options = [option for platform in platforms for option in ("--platform", platform)]
        version = f"{self.python[0]}.{self.python[1]}"
        return [*options, "--implementation", "cp", "--python-version", version]


@dataclass(frozen=True)
class Pin:
    """One line of a lock."""

    name: str
    version: str
    sha256: str

    @property
    def line(self) -> str:
        """As pip's ``--require-hashes`` reads it."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


def read_lock(lock: Path) -> tuple[Pin, ...]:
    """The pins of a lock.

    Raises:
        InfrastructureError: a line that is neither a pin nor a comment.
    """
    pins = []
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _PIN.fullmatch(line.strip())
        if found is None:
            raise InfrastructureError(
                f"{lock}: line {number}: expected NAME==VERSION --hash=sha256:DIGEST",
                remedy=f"restore it: git checkout {lock.name}; or delete it to make a new one",
            )
        pins.append(Pin(**found.groupdict()))
    return tuple(pins)


def fill(
    folder: Path,
    lock: Path,
    requirements: Sequence[Path],
    target: Target,
    progress: Callable[[str], None],
) -> tuple[Path, ...]:
    """The wheels of the lock, downloaded where ``folder`` lacks them; their paths.

    Without a lock for this target one is written from what pip finds now: trust on first use.

    Raises:
        InfrastructureError: pip cannot get them, or a wheel is not the one that was locked.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not lock.exists():
        progress(f"no lock for {target.name}: taking what pip finds now, on trust")
        wanted = [option for path in requirements for option in ("-r", str(path))]
        _download(wanted, folder, target, progress)
        pins = tuple(sorted(map(_pin_of, folder.glob("*.whl")), key=lambda pin: pin.name.lower()))
        write_lock(lock, pins, target, [path.name for path in requirements])
        progress(f"wrote {lock.name} with {len(pins)} packages; review it and commit it")
    pins = read_lock(lock)
    found = _present(folder, pins)
    if len(found) < len(pins):
        progress(f"downloading {len(pins) - len(found)} wheels for {target.name}")
        with tempfile.TemporaryDirectory() as scratch:
            missing = Path(scratch) / "missing.lock"
            missing.write_text("".join(f"{p.line}\n" for p in pins if p not in found))
            # The lock is whole, so dependencies need not be worked out (for another platform).
            _download(
                ["--no-deps", "--require-hashes", "-r", str(missing)], folder, target, progress
            )
        found = _present(folder, pins)
    if absent := [f"{pin.name}=={pin.version}" for pin in pins if pin not in found]:
        raise InfrastructureError(
            f"{folder}: no wheel with the locked digest for {', '.join(absent)}",
            remedy=f"see {told_path('README.md')} on filling this directory by hand",
        )
    return tuple(found[pin] for pin in pins)


def write_lock(
    lock: Path, pins: Sequence[Pin], target: Target, requirements: Sequence[str]
) -> None:
    """Write a lock that :func:`read_lock` reads back."""
    header = (
        f"# Every wheel of the {target.kind} image for CPython {target.python[0]}."
        f"{target.python[1]} on Linux {target.machine}; from {' and '.join(requirements)}.\n"
    )
    write_atomically(lock, (header + "".join(f"{pin.line}\n" for pin in pins)).encode())


def _pin_of(wheel: Path) -> Pin:
    # NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl, with neither part holding a hyphen.
    name, version = wheel.name.split("-")[:2]
    return Pin(name=name.replace("_", "-").lower(), version=version, sha256=sha256_of(wheel))


def _present(folder: Path, pins: Sequence[Pin]) -> dict[Pin, Path]:
    wanted = set(pins)
    found = {_pin_of(wheel): wheel for wheel in sorted(folder.glob("*.whl"))}
    return {pin: wheel for pin, wheel in found.items() if pin in wanted}


def _download(
    what: Sequence[str], folder: Path, target: Target, progress: Callable[[str], None]
) -> None:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    command += ["--only-binary", ":all:", "--dest", str(folder), *target.pip_options, *what]
    doing, usual = f"downloading wheels for {target.name}", recipe_of(target.kind).usual
    try:
        with told_while(progress, doing, usual=usual):
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PIP_SECONDS,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfrastructureError(
            f"pip did not run to its end: {error}", remedy=f"see {told_path('README.md')}"
        ) from error
    lines = [plain_line(line, 300) for line in done.stderr.splitlines() if line.strip()]
    for line in lines:
        progress(line)
    if done.returncode != 0:
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-3:]
        raise InfrastructureError(
            f"pip cannot get the wheels for {target.name}: {' '.join(errors)[:600]}",
            remedy="let pip reach an index with PyTorch's builds for this image "
            "(PIP_EXTRA_INDEX_URL, or PIP_FIND_LINKS for a directory), or put the wheels of "
            f"the lock into {folder} by hand; see {told_path('README.md')}",
        )
