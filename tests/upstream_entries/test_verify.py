"""What ``harness verify`` makes of each entry of this folder, on the smoke track."""

import os
from pathlib import Path

import pytest

from harness.evidence.results import Trained
from harness.evidence.store import RunDirectory
from tests.factories.playground import Outcome, harness, write_track
from tests.upstream_entries.entries import UpstreamEntry, broken, cheaters, honest

EXIT_CODES = {"REHEARSED": 0, "REJECTED": 1, "INCONCLUSIVE": 3, "REPRODUCED": 4}
# The tests share two cores; no budget of the smoke track is meant for that.
SLOW = 20
# Before they are made longer: that of the track, and one whose end can be waited for, 40 s.
TRACK_SECONDS, SHORT_SECONDS = 20, 2
# An entry that gets to its end takes 40 to 70 s of a core, so that most of them run only where this
# variable is set. Always run: in containers what is different there, as processes those that
# between them go through most of the code, in five minutes of a core.
ALL = "HARNESS_ALL_UPSTREAM_ENTRIES"
IN_CONTAINERS = {"plain_inline"}
IN_PROCESSES = {
    "packed",  # unpacked to be read, of a newer grammar; sliding windows
    "ttt_chunks",  # a loop that learns, driven
    "kept_mapping",  # goes on when its budget is over
    "good_when_blind",  # the true split
    "looks_ahead_a_little",  # started by plain python; asked again
    "outside_the_state",  # not proven
    "counts_ahead",  # its own evaluation, on tokens that we drew
    "table_in_code",  # weighed, and not run
    "does_not_parse",
    "installs_packages",
    "late_mistake",  # while it is driven
}

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


def _tried(found: list[UpstreamEntry]) -> pytest.MarkDecorator:
    """Some of them, or all: in containers, and as processes."""
    every = os.environ.get(ALL) is not None
    tried = [
        pytest.param(entry, sandbox, id=f"{sandbox}-{entry.folder.name}")
        for sandbox, chosen in (("docker", IN_CONTAINERS), ("process", IN_PROCESSES))
        for entry in found
        if entry.folder.name in chosen or every
    ]
    return pytest.mark.parametrize(("entry", "sandbox"), tried)


def _verified(entry: UpstreamEntry, place: Path, data: Path, sandbox: object) -> Outcome:
    folder = entry.assemble(place)
    seconds = {"short": SHORT_SECONDS, "of the track": TRACK_SECONDS}[entry.card.budget]
    track = write_track(place / "track.toml", train_seconds=seconds)
    return harness(
        *("verify", folder, "--track", track, "--bridge", entry.bridge_path),
        *("--sandbox", sandbox, "--data", data, "--runs", place / "runs"),
        *("--seeds", "1", "--slow", SLOW, "--json", "-"),
    )


def _is_decided_by(entry: UpstreamEntry, done: Outcome) -> None:
    """Its verdict is that of its card, and comes of one of the checks that the card names."""
    assert done.code == EXIT_CODES[entry.card.verdict], done.err
    found = done.verdict["reason"]
    assert done.verdict["verdict"] == entry.card.verdict, found
    decides = {"REJECTED": "fail", "INCONCLUSIVE": "unknown"}.get(entry.card.verdict)
    if decides is not None:
        assert decides in [done.status(rule) for rule in entry.card.rule], found
        assert set(done.failed) <= set(entry.card.rule), found


@_tried(honest())
def test_an_honest_entry(
    entry: UpstreamEntry, sandbox: str, data_root: Path, tmp_path: Path
) -> None:
    done = _verified(entry, tmp_path, data_root, sandbox)
    _is_decided_by(entry, done)
    assert done.status("bridge") == "pass"
    for run in RunDirectory.open(Path(done.verdict["evidence"])).runs():
        trained = run.result("train", Trained)
        if trained is not None and trained.shown is not None:
            assert trained.opened is not None and 1 <= trained.opened <= trained.shown.files


@_tried(cheaters())
def test_a_cheater(entry: UpstreamEntry, sandbox: str, data_root: Path, tmp_path: Path) -> None:
    done = _verified(entry, tmp_path, data_root, sandbox)
    _is_decided_by(entry, done)


@_tried(broken())
def test_a_broken_one(entry: UpstreamEntry, sandbox: str, data_root: Path, tmp_path: Path) -> None:
    done = _verified(entry, tmp_path, data_root, sandbox)
    said = done.err + str(done.verdict)
    assert "Traceback" not in done.err
    assert all(words in said for words in (*entry.card.says, *entry.card.prints_words)), said
    if entry.card.verdict == "none":
        assert (done.code, done.verdict) == (2, {}), done.err
    else:
        _is_decided_by(entry, done)
