"""What the page on trust says of the amount of code is about right."""

import re

from harness.package import PACKAGE
from tests.factories.playground import ROOT


def test_thousands_of_lines_are_about_those_that_there_are() -> None:
    page = (ROOT / "docs/trust.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## How much code")
    rows = re.findall(r"(?m)^\| .+ \| ((?:`\w+`(?:, )?)+) \| (\d+) \|$", section)
    assert len(rows) == 7
    for rooms, thousands in rows:
        files = [
            path for room in re.findall(r"\w+", rooms) for path in (PACKAGE / room).rglob("*.py")
        ]
        lines = sum(path.read_bytes().count(b"\n") for path in files)
        assert abs(lines - 1000 * int(thousands)) < 1000 + lines / 5
