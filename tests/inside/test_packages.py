"""What an image holds, as its own Python finds it."""

import subprocess
import sys
from pathlib import Path

import torch

from harness.evidence.host import Packages
from harness.inside import packages


def test_it_runs_alone_and_says_what_is_there() -> None:
    program = [sys.executable, "-I", packages.__file__]
    said = subprocess.run(program, capture_output=True, check=True).stdout
    found = Packages.model_validate_json(said)
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.distributions["torch"] == torch.__version__
    assert {"torch", "numpy"} <= {*found.modules} and "json" not in found.modules
    assert "sh" in found.programs and list(found.distributions) == sorted(found.distributions)


def test_programs_are_those_on_the_path(tmp_path: Path) -> None:
    program = tmp_path / "lrzip"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "other").symlink_to(program)
    assert packages.present(str(tmp_path))["programs"] == ["lrzip"]


def test_names_are_compared_as_indexes_do() -> None:
    assert packages.plain("Flash_Attn.3") == packages.plain("flash-attn--3") == "flash-attn-3"
