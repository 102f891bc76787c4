"""The leaderboard as a table in a Markdown file."""

from pathlib import Path

import pytest

from harness.report.leaderboard import BEGIN, END
from tests.factories.plans import entry
from tests.factories.playground import harness
from tests.ledger.boards import accepted, write_verdict


def test_the_table_is_written_between_the_markers_and_nowhere_else(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_bytes(f"# Title\r\n\r\n{BEGIN}\nold\n{END}\r\nafter\n".encode())
    options = ("--leaderboard", board)
    assert harness("leaderboard", "write", page, *options).code == 0
    assert b"No record has been accepted yet." in page.read_bytes()
    hostile = entry(name=f"| {END} @you ![x](http://x)", author="a\nb")
    accepted(board, write_verdict(tmp_path, entry=hostile))
    done = harness("leaderboard", "write", page, *options)
    assert (done.code, done.err) == (0, "")
    text = page.read_bytes().decode()
    assert text.startswith(f"# Title\r\n\r\n{BEGIN}\n| date |") and text.endswith(
        f"{END}\r\nafter\n"
    )
    assert "2.610000 ± 0.010000" in text and "old" not in text
    again = harness("leaderboard", "write", page, *options)
    assert again.code == 0 and "up to date" in again.out
    shown = harness("leaderboard", "show", *options)
    assert shown.code == 0 and "2.610000" in shown.out


@pytest.mark.parametrize("text", ["", f"{END}{BEGIN}", BEGIN, f"{BEGIN}{BEGIN}{END}"])
def test_a_file_without_its_markers_is_left_alone(tmp_path: Path, board: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    done = harness("leaderboard", "write", page, "--leaderboard", board)
    assert done.code == 2 and "expected one line" in done.err
    assert page.read_text() == text
