"""A driver of GPUs that says whatever a test wants."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

SMI = Callable[[str], None]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SMI:
    """Puts a shell script named nvidia-smi first on PATH."""

    def install(body: str) -> None:
        script = tmp_path / "bin" / "nvidia-smi"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")

    return install
