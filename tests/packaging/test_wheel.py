"""The wheel works where there is no clone, and a build of the same files is the same wheel."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.factories.playground import BIGRAM, ROOT
from tests.packaging.build import Built, build, copy_of_checkout

pytestmark = pytest.mark.long

_FACTS = """
import json
from harness.evidence.digests import judged_by, measured_by
from harness.package import PACKAGE, in_checkout
from harness.contest.track import track_names
from harness.sandbox.docker import build_files, image, kinds
print(json.dumps({
    "tags": [
        image._tag("sandbox", image._inputs(kinds.recipe_of(kind), None, image.WORKER_SOURCE), kind)
        for kind in kinds.KINDS
    ],
    "digests": [measured_by(), judged_by()],
    "tracks": track_names(),
    "place": str(PACKAGE),
    "checkout": in_checkout(),
    "kept": str(build_files.kept_in()),
}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_checkout(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tree, tmp_path_factory.mktemp("built") / "first")


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked, which is what installing does to the files of one in pure Python."""
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(place)
    return place


def python(site: Path, cwd: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(cwd / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_file_travels(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        there = set(archive.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "harness").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for folder in ("docker", "schema"):
        files = (path for path in (ROOT / folder).iterdir() if path.is_file())
        wanted |= {f"harness/shipped/{folder}/{path.name}" for path in files}
    assert wanted - there == set()
    assert {name for name in there - wanted if ".dist-info/" not in name} == set()
    with tarfile.open(built.sdist) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert wanted - names == set()


def test_the_same_files_make_the_same_distributions(
    tree: Path, built: Built, tmp_path: Path
) -> None:
    for path in tree.rglob("*.py"):
        os.utime(path, (1, 1_600_000_000))
    again = build(tree, tmp_path / "again")
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.name == built.sdist.name
    assert contents(again.sdist) == contents(built.sdist)


def contents(sdist: Path) -> dict[str, tuple[int, bytes]]:
    with tarfile.open(sdist) as archive:
        return {
            member.name: (
                member.mode,
                file.read() if (file := archive.extractfile(member)) else b"",
            )
            for member in archive.getmembers()
        }


def test_it_is_the_same_harness_as_the_checkouts(installed: Path, tmp_path: Path) -> None:
    """The same images, code and tracks; what it must write, it writes to the user's cache."""
    there, here = (
        json.loads(python(site, tmp_path, "-c", _FACTS).stdout) for site in (installed, ROOT)
    )
    assert (there.pop("place"), here.pop("place")) == (
        str(installed / "harness"),
        str(ROOT / "harness"),
    )
    assert (there.pop("checkout"), here.pop("checkout")) == (False, True)
    assert there.pop("kept") == str(tmp_path / "cache/parameter-golf-harness/docker")
    assert here.pop("kept") == str(ROOT / "harness/shipped/docker")
    assert there == here


def test_commands_that_run_nothing(installed: Path, tmp_path: Path) -> None:
    for arguments, code, says in (
        (["--help"], 0, "exit codes"),
        (["check", BIGRAM], 0, "artifact"),
        (["leaderboard", "show"], 0, ""),
        (["leaderboard", "retract", "0" * 64, "--why", "w"], 2, "name that with --leaderboard"),
    ):
        done = python(installed, tmp_path, "-m", "harness", *arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert says in done.stdout + done.stderr


def test_a_rehearsal(installed: Path, tmp_path: Path, data_root: Path) -> None:
    done = python(
        *(installed, tmp_path, "-m", "harness", "verify", BIGRAM, "--track", "smoke"),
        *("--sandbox", "process", "--data", data_root, "--json", tmp_path / "verdict.json"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "verdict.json").read_bytes())["verdict"] == "REHEARSED"
