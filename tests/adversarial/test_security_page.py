"""SECURITY.md names who breaks each assumption: all of them exist, and no known gap is left out."""

import re

import pytest

from tests.adversarial.gallery import GALLERY, SHELVES, cheaters
from tests.factories.playground import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()
NAMES = {cheater.name for cheater in cheaters()}
FOLDERS = {cheater.folder.name for cheater in cheaters()}
QUOTED = re.findall(r"`([^`\s]+)`", PAGE)


@pytest.mark.parametrize("name", [name for name in QUOTED if name.startswith("tests/")])
def test_a_test_that_is_named_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_a_cheater_that_is_named_exists() -> None:
    shelved = [name for name in QUOTED if name.partition("/")[0] in SHELVES and "/" in name]
    assert len(shelved) > 50
    assert set(shelved) <= NAMES
    # After the first of a shelf, the others of it stand there without the shelf.
    bare = [name for name in re.findall(r"`([a-z_]+)`", PAGE) if (name in FOLDERS) or "_" in name]
    assert not [name for name in bare if name not in FOLDERS and name not in WORDS]


WORDS = {"noise_sd_nats", "seed_spread"}


@pytest.mark.parametrize("folder", sorted(path.name for path in (GALLERY / "known_gaps").iterdir()))
def test_no_known_gap_is_left_out(folder: str) -> None:
    assert re.search(rf"`(?:known_gaps/)?{folder}`", PAGE)


def test_each_promise_says_what_it_assumes_and_who_breaks_it() -> None:
    promised = PAGE.partition("## What is promised")[2].partition("## What is not promised")[0]
    promises = re.split(r"\n(?=\*\*)", promised)[1:]
    assert len(promises) > 15
    for promise in promises:
        assert "\n- assumes" in promise, promise.splitlines()[0]
        assert re.search(r"\n- (?s:.)*`", promise), promise.splitlines()[0]
