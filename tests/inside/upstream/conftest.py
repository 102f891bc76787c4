"""Small scripts, run as a rehearsal runs them: in a process of their own, through the launcher."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.package import PACKAGE

LAUNCH = PACKAGE / "inside" / "upstream" / "launch.py"
BESIDE = Path(sys.executable).parent


def environment(scratch: Path, **more: str) -> dict[str, str]:
    """What a sandbox gives a phase, as far as scripts look."""
    return {
        "PATH": os.pathsep.join((str(BESIDE), os.defpath.lstrip(os.pathsep))),
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def launch(
    code: Path,
    work: Path,
    *command: str,
    options: tuple[str, ...] = ("--cpu",),
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a copy of ``code``; what it prints and what it complains of are together."""
    work.mkdir(parents=True, exist_ok=True)
    scratch = work.parent / f"{work.name}-scratch"
    scratch.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, str(LAUNCH), "--work", str(work), *options, "--", *command],
        cwd=code,
        env=environment(scratch, **(env or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")


@pytest.fixture
def lines_of(tmp_path: Path) -> Callable[..., list[str]]:
    """Run a script of these lines with Python; the lines that it prints."""

    def run(script: str, *arguments: str, options: tuple[str, ...] = ("--cpu",)) -> list[str]:
        code = tmp_path / "code"
        code.mkdir(exist_ok=True)
        (code / "train_gpt.py").write_text(script)
        ended = launch(
            code, tmp_path / "work", "python", "train_gpt.py", *arguments, options=options
        )
        assert ended.returncode == 0, ended.stdout
        return ended.stdout.splitlines()

    return run
