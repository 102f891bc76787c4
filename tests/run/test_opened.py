"""How many files were opened is told as the kernel tells it, and never guessed."""

from pathlib import Path

import pytest

from harness.run import opened as module
from harness.run.opened import OpenedFiles


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"{number}.bin" for number in range(5)]
    for path in made:
        path.write_bytes(b"tokens")
    return made


def test_each_file_counts_once_from_the_beginning_on(files: list[Path]) -> None:
    opened = OpenedFiles(files)
    files[0].read_bytes()
    opened.begin()
    for _ in range(3):
        files[1].read_bytes()
    files[4].read_bytes()
    assert opened.finish() == 2


def test_nothing_was_opened(files: list[Path]) -> None:
    opened = OpenedFiles(files)
    opened.begin()
    assert opened.finish() == 0


def test_without_a_beginning_or_after_the_end_nothing_is_known(files: list[Path]) -> None:
    opened = OpenedFiles(files)
    assert opened.finish() is None
    opened.begin()
    opened.finish()
    assert opened.finish() is None


def test_what_cannot_be_watched_is_not_known(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = OpenedFiles([*files, files[0].parent / "gone"])
    gone.begin()
    assert gone.finish() is None
    monkeypatch.setattr(module, "MOST_FILES", 4)
    many = OpenedFiles(files)
    many.begin()
    assert many.finish() is None
