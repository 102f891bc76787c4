"""What other programs may import from ``harness``, and what that costs them."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

import harness
from tests.factories.playground import BIGRAM, ROOT


def test_all_that_is_public_is_there_and_nothing_else() -> None:
    for name in harness.__all__:
        assert callable(getattr(harness, name))
    assert set(harness._WHERE) == set(harness.__all__)
    assert not hasattr(harness, "torch")


def test_who_reads_a_verdict_does_not_wait_for_torch_or_docker() -> None:
    program = (
        "import sys, harness; harness.read_verdict; harness.render_text; "
        "print({'torch', 'docker', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.long
def test_the_example_does_what_it_says(tmp_path: Path, data_root: Path) -> None:
    assert harness.__doc__
    (example,) = re.findall(r"::\n\n((?:    .*\n|\n)+)", harness.__doc__)
    shutil.copytree(BIGRAM, tmp_path / "bigram")
    (tmp_path / "data").symlink_to(data_root)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(example)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"REHEARSED [\d.]+\n", done.stdout)
    assert "REHEARSED" in done.stdout.partition("\n")[2]


def test_who_type_checks_against_it_gets_its_types() -> None:
    assert (ROOT / "harness/py.typed").is_file()


def test_the_version_is_the_same_wherever_it_is_written() -> None:
    assert f"\nversion: {harness.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {harness.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
