"""What ``harness new`` writes passes ``harness check`` and a rehearsal, and says what to decide."""

import re
from pathlib import Path

import pytest

from harness.contest.loading import load_submission
from harness.contest.track import load_track
from harness.gate.precheck import precheck
from harness.templates import FILES, MARK, TEMPLATES
from tests.factories.playground import ROOT, harness, write_track


def begun(place: Path, template: str, name: str = "mine") -> Path:
    outcome = harness("new", name, "--template", template, "--dir", place)
    assert outcome.code == 0, outcome.err
    return place / name


@pytest.mark.parametrize("template", sorted(TEMPLATES))
@pytest.mark.parametrize("track", ["smoke", "10min_16mb"])
def test_a_new_entry_is_checked_without_findings(
    template: str, track: str, tmp_path: Path, data_root: Path
) -> None:
    folder = begun(tmp_path / "entries", template)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    submission = load_submission(folder)
    assert {found.status for found in precheck(submission, load_track(track))} == {"pass"}
    outcome = harness("check", folder, "--track", track, "--data", data_root)
    assert outcome.code == 0
    assert submission.manifest.submission.name == "mine"
    assert f"harness verify {folder}" in (folder / "README.md").read_text()
    assert not re.search("ENTRY_(NAME|FOLDER)", "".join(p.read_text() for p in folder.iterdir()))


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_it_says_where_one_must_choose(template: str, tmp_path: Path) -> None:
    folder = begun(tmp_path, template)
    for file in ("submission.toml", "train.py"):
        comments = re.findall(rf"{MARK}: \w+", (folder / file).read_text())
        assert len(comments) >= 3


def test_the_next_commands_are_told(tmp_path: Path) -> None:
    outcome = harness("new", "mine", "--dir", tmp_path / "new folder")
    assert f"harness check '{tmp_path}/new folder/mine'" in outcome.out
    assert f"harness verify '{tmp_path}/new folder/mine' --track smoke" in outcome.out


@pytest.mark.parametrize("name", ["", "a/b", "../a", "a b", "-a", ".a", "ä", "x" * 101])
def test_a_name_that_no_entry_can_have_is_refused_in_words(name: str, tmp_path: Path) -> None:
    outcome = harness("new", "--dir", tmp_path, "--", name)
    assert outcome.code == 2 and not list(tmp_path.iterdir())
    assert "can be no entry's name; expected up to 100 letters, digits" in outcome.err


def test_a_name_that_the_gate_refuses_is_refused(tmp_path: Path) -> None:
    outcome = harness("new", "con", "--dir", tmp_path)
    assert outcome.code == 2 and "is that of a device on some systems" in outcome.err


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    folder = begun(tmp_path, "count")
    (folder / "train.py").write_text("work of a week")
    again = harness("new", "mine", "--dir", tmp_path)
    assert again.code == 2 and f"{folder}: there is an entry of this name" in again.err
    assert "remedy: choose another name" in again.err
    other = harness("new", "Mine", "--dir", tmp_path)
    assert other.code == 2 and "the same name as Mine" in other.err
    assert (folder / "train.py").read_text() == "work of a week"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_place_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = harness("new", "mine", "--dir", tmp_path / "file")
    assert outcome.code == 2 and "file: a file and no folder" in outcome.err


def test_templates_come_with_the_package() -> None:
    assert '"templates/*/*"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_new_entry_passes_a_rehearsal(template: str, tmp_path: Path, data_root: Path) -> None:
    track = write_track(tmp_path / "smoke.toml", train_seconds=60, questions="all")
    outcome = harness(
        "verify", begun(tmp_path, template), "--track", track, "--sandbox", "process",
        "--data", data_root, "--runs", tmp_path / "runs", "--json", "-",
    )  # fmt: skip
    short = [c["detail"] for c in outcome.verdict["checks"] if c["status"] != "pass"]
    assert outcome.verdict["verdict"] == "REHEARSED", short
    assert {seed["val_bpb"] < 3.3 for seed in outcome.verdict["seeds"]} == {True}
