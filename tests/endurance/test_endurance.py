"""A short soak and a few kills; ``python -m tests.endurance`` is the long version."""

import random
from pathlib import Path

import pytest

from tests.endurance.kills import kill_and_resume
from tests.endurance.soak import Holdings, beside, soak
from tests.factories.playground import BIGRAM, write_submission, write_track


def arguments(place: Path, data_root: Path) -> list[str]:
    track = write_track(place / "track.toml", seeds="2")
    common = [str(BIGRAM), "--track", str(track), "--data", str(data_root)]
    return [*common, "--sandbox", "docker"]


@pytest.mark.docker
def test_nothing_piles_up(tmp_path: Path, data_root: Path) -> None:
    toy = write_submission(tmp_path / "toy")  # scores as a uniform model, in seconds
    short = [str(toy), *arguments(tmp_path, data_root)[1:], "--seeds", "1"]
    codes, piled = soak(short, tmp_path / "runs", verifications=2)
    assert codes == [3, 3]  # one seed proves nothing
    assert piled == []


def test_what_piles_up_is_found() -> None:
    before = Holdings.now()
    with Path("/dev/null").open():
        assert "descriptors" in Holdings.now().more_than(before)[0]


def test_what_computes_beside_a_soak_ends_with_it() -> None:
    before = Holdings.now()
    with beside(2):
        assert Holdings.now().children == before.children + 2
    assert Holdings.now().children == before.children


@pytest.mark.docker
def test_kills_lose_nothing(tmp_path: Path, data_root: Path) -> None:
    done = kill_and_resume(
        arguments(tmp_path, data_root),
        tmp_path / "runs",
        kills=2,
        longest_seconds=8,
        chance=random.Random(7),
    )
    assert done.code == 0
    assert done.lost == ()
    assert done.left == ()
