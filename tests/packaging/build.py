"""Builds the wheel and the source distribution of a copy of this checkout, without an index."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NEEDED = ("harness", "docker", "schema")
_BUILD = """
import sys, setuptools.build_meta as build
into = sys.argv[1]  # the build writes over it
build.build_sdist(into)
build.build_wheel(into)
"""


@dataclass(frozen=True)
class Built:
    """What one build left."""

    wheel: Path
    sdist: Path


def copy_of_checkout(place: Path) -> Path:
    """What a build reads, with its links, and without what earlier builds left beside it."""
    ignore = shutil.ignore_patterns("__pycache__", "wheels")
    for name in _NEEDED:
        shutil.copytree(ROOT / name, place / name, symlinks=True, ignore=ignore)
    for file in ROOT.iterdir():
        if file.is_file() and not file.name.startswith("."):
            shutil.copy(file, place / file.name)
    return place


def build(tree: Path, into: Path) -> Built:
    """Both distributions of a tree, by the build backend that pip would call."""
    into = into.absolute()
    into.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(into)],
        cwd=tree,
        env={**os.environ, "SOURCE_DATE_EPOCH": _epoch()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "would be ignored" not in done.stderr, done.stderr
    (wheel,), (sdist,) = into.glob("*.whl"), into.glob("*.tar.gz")
    return Built(wheel, sdist)


def _epoch() -> str:
    """Seconds that files of the wheel are dated with: one day for all, where nobody names one."""
    return os.environ.get("SOURCE_DATE_EPOCH", "1700000000")
