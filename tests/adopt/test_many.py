"""Many folders, heads of pull requests, and the command."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness.adopt.many import adopt_many, marks
from harness.adopt.pull_requests import adopt_heads
from harness.cli.main import main
from harness.contest.bridge import parse_bridge
from harness.errors import UsageError
from harness.upstream.many import find_folders
from tests.adopt.scripts import record, script


def _folders(path: Path) -> Path:
    for number in range(3):
        record(path / str(number), train_gpt__py=script() + f"# {number}\n")
    record(path / "3", train_gpt__py="")
    return path


def test_what_was_read_is_kept_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = find_folders([_folders(tmp_path / "in")], marks=marks)
    first = list(adopt_many(folders, cache=tmp_path / "cache"))
    assert [one.adoption for one in first] == ["full"] * 3 + ["none"]
    monkeypatch.setattr("harness.adopt.many.adopt", lambda folder: pytest.fail("read again"))
    assert list(adopt_many(folders, cache=tmp_path / "cache")) == first
    (folders[0] / "train_gpt.py").write_text("import torch\n")
    with pytest.raises(BaseException, match="read again"):
        list(adopt_many(folders, cache=tmp_path / "cache"))


def test_what_is_no_file_in_the_cache_is_read_anew(tmp_path: Path) -> None:
    folders = find_folders([_folders(tmp_path / "in")], marks=marks)
    first = list(adopt_many(folders, cache=tmp_path / "cache"))
    for kept in (tmp_path / "cache").iterdir():
        kept.unlink()
        os.mkfifo(kept)
    assert list(adopt_many(folders, cache=tmp_path / "cache")) == first
    assert all(kept.is_file() for kept in (tmp_path / "cache").iterdir())


def test_workers_read_the_same(tmp_path: Path) -> None:
    for number in range(4):
        _folders(tmp_path / str(number))
    folders = find_folders([tmp_path], marks=marks)
    assert list(adopt_many(folders, workers=2)) == list(adopt_many(folders, workers=1))


def test_heads_of_pull_requests(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    place = tmp_path / "records" / "track" / "2026-04-01_Old"
    place.mkdir(parents=True)
    (place / "train_gpt.py").write_text(script())
    git("add", ".")
    git("commit", "-qm", "old")
    for name, text in (("one", script() + "# one\n"), ("two", "")):
        git("checkout", "-q", "-b", name, "main")
        new = tmp_path / "records" / "track" / f"2026-05-01_{name}"
        new.mkdir()
        (new / "train_gpt.py").write_text(text)
        (new / "submission.json").write_text("{}")
        git("add", ".")
        git("commit", "-qm", name)
    git("checkout", "-q", "main")
    found = list(adopt_heads(tmp_path, ["one", "two", "main"], base="main"))
    assert [(one.name, one.adoption, one.reason) for one in found] == [
        ("2026-05-01_one", "full", "whole"),
        ("2026-05-01_two", "none", "empty"),
        ("main", "none", "no-record"),
    ]
    assert found[0].origin == "one:records/track/2026-05-01_one"
    with pytest.raises(UsageError, match="names no commit"):
        list(adopt_heads(tmp_path, ["--upload-pack=x"], base="main"))


def test_the_command(tmp_path: Path) -> None:
    folder = record(tmp_path, train_gpt__py=script()).path
    told, bridge = tmp_path / "told.json", tmp_path / "bridge.toml"
    assert main(["adopt", str(folder), "--json", str(told), "-o", str(bridge)]) == 0
    document = json.loads(told.read_text())
    for key in ("adoption", "artifact", "evaluation", "context", "stride", "vocab",
                "learns_while_scoring", "reasons", "bridge"):  # fmt: skip
        assert key in document
    assert parse_bridge(bridge.read_bytes()).launch.script == "train_gpt.py"
    assert not (folder / "bridge.toml").exists()
    assert main(["adopt", str(folder), "--write"]) == 0
    assert (folder / "bridge.toml").read_bytes() == bridge.read_bytes()
    assert main(["adopt", str(record(tmp_path / "e", train_gpt__py="").path)]) == 1
    table = tmp_path / "t.md"
    many = str(_folders(tmp_path / "m"))
    assert main(["adopt", many, "--json", str(told), "--markdown", str(table)]) == 0
    assert json.loads(told.read_text())["counts"]["classes"] == {"full": 3, "none": 1}
    assert "2026-05-01_Entry" in table.read_text()
