"""Runs an unchanged script: in a writable copy of its folder, on request as a rehearsal on a CPU.

``python launch.py --work DIR [--cpu] [--still] [--lively] -- PROGRAM ARGS...``, with the folder of
the code as working directory. The copy is there because upstream's scripts write beside themselves.
With ``--cpu``, every Python process below PROGRAM has a stand-in for CUDA, in which, with
``--lively``, no matrix begins at zero; with ``--still``, clocks that advance by a fixed step a
call, so that two runs are the same. Standard library alone.
"""

import argparse
import os
import shlex
import shutil
import stat
import sys
import tempfile
from pathlib import Path

PARTS = "HARNESS_STAND_IN"
"""Names the variable that says what is stood in for: words of ``cpu``, ``still``, ``lively``."""
WORK = "HARNESS_STAND_IN_WORK"
"""Names the variable that says where the script runs: whose code is the script's, and whose not."""

_HERE = Path(__file__).resolve().parent
_SHIM = _HERE / "cuda_shim"
_PROGRAMS = _HERE / "programs"


def main() -> None:
    """Copy, set up, and become PROGRAM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True, type=Path, help="where it runs; exists, writable")
    parser.add_argument("--cpu", action="store_true", help="stand in for CUDA")
    parser.add_argument("--still", action="store_true", help="clocks advance a fixed step a call")
    parser.add_argument("--lively", action="store_true", help="with --cpu: no matrix begins at 0")
    parser.add_argument("command", nargs="+", metavar="PROGRAM")
    options = parser.parse_args()
    work = options.work.resolve()
    copy_files(Path.cwd(), work)
    os.chdir(work)
    if options.cpu or options.still:
        set_up(work, cpu=options.cpu, still=options.still, lively=options.lively)
    try:
        os.execvp(options.command[0], options.command)  # noqa: S606 - what it is for
    except OSError as error:
        sys.exit(f"{options.command[0]!r} cannot be started: {error.strerror}")


def copy_files(source: Path, target: Path) -> None:
    """Copy the regular files below ``source``, with their names; links and the like are left."""
    for found in sorted(source.iterdir()):
        kind = found.lstat().st_mode
        new = target / found.name
        if stat.S_ISDIR(kind):
            if found.resolve() != target:
                new.mkdir(exist_ok=True)
                copy_files(found, new)
        elif stat.S_ISREG(kind):
            shutil.copyfile(found, new)
            new.chmod(0o700 if kind & 0o111 else 0o600)


def set_up(work: Path, *, cpu: bool, still: bool, lively: bool = False) -> None:
    """Put into this process's environment what the stand-in needs, for all processes below."""
    wanted = {"cpu": cpu, "still": still, "lively": lively}
    parts = [name for name, there in wanted.items() if there]
    os.environ.update({PARTS: " ".join(parts), WORK: str(work)})
    _put_first("PYTHONPATH", _SHIM)
    if still:
        os.environ["PYTHONHASHSEED"] = "0"
    if cpu:
        _put_first("PATH", _stub_programs(Path(tempfile.mkdtemp(prefix="programs-"))))
        # Read when Triton is imported, which a process of the script's may do before torch.
        os.environ["TRITON_INTERPRET"] = "1"
        # Threads that spin while they wait take the cores from those that they wait for.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        # The one network interface that a sandbox has.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")


def _stub_programs(folder: Path) -> Path:
    """Programs that scripts call and die without; those that are here stay as they are."""
    for name, always in (("nvidia-smi", True), ("pyminify", False)):
        if always or shutil.which(name) is None:
            program = folder / name
            stub = _PROGRAMS / f"{name.replace('-', '_')}.py"
            # Isolated and without site: neither the stand-in nor packages are wanted there.
            line = shlex.join((sys.executable, "-I", "-S", str(stub)))
            program.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
            program.chmod(0o700)
    return folder


def _put_first(variable: str, folder: Path) -> None:
    others = os.environ.get(variable)
    os.environ[variable] = f"{folder}{os.pathsep}{others}" if others else str(folder)


if __name__ == "__main__":
    main()
