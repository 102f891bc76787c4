"""The console on which people are told things: whatever width the world around it claims."""

import io
import os
import subprocess
import sys

import pytest

from harness.report.console import NARROWEST, USUAL, WIDEST, PatientConsole
from harness.report.terminal import scorecard
from tests.factories import verdicts as samples


@pytest.mark.parametrize(
    ("columns", "width"),
    [
        ("0", USUAL),
        ("", USUAL),
        ("many", USUAL),
        ("-3", USUAL),
        *((str(few), NARROWEST) for few in range(1, 10)),
        ("19", NARROWEST),
        ("21", 21),
        ("120", 120),
        ("9" * 12, WIDEST),
    ],
)
def test_a_width_from_outside_is_clamped(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    with monkeypatch.context() as outside:  # pytest's own lines are not to be as wide
        outside.setenv("COLUMNS", columns)
        outside.delenv("LINES", raising=False)
        console = PatientConsole(file=file, highlight=False)
        assert console.width == console.options.max_width == width
        console.print(scorecard(samples.rejected()))
    drawn = file.getvalue()
    assert "REJECTED" in drawn
    assert len(drawn.split()) > 150


def test_a_width_that_is_set_is_kept() -> None:
    console = PatientConsole(file=io.StringIO(), width=64)
    console.size = (72, 25)  # as rich itself sets it
    assert console.size == (72, 25)


def test_a_command_says_all_of_it_at_no_width() -> None:
    command = [sys.executable, "-m", "harness", "check", "submissions/naive_baseline"]
    said = {
        columns: subprocess.run(
            command,
            env={**os.environ, "COLUMNS": columns},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for columns in ("0", "80", "3")
    }
    assert said["0"] == said["80"]
    assert "submission.toml" in said["3"]
