"""``harness report``: a page of a run directory or of a verdict's file, or a plain error."""

from pathlib import Path

import pytest

from harness.cli.main import main
from tests.factories.playground import ROOT

STORED = ROOT / "tests/evidence/formats/looks_and_confirmation"


def test_a_run_directory_becomes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["report", str(STORED), "-o", str(page)]) == 0
    content = page.read_text(encoding="utf-8")
    assert content.startswith("<!DOCTYPE html>")
    assert content.count('class="plot"') > 5
    said = capsys.readouterr().out
    assert said.startswith(f"{page}: ")
    assert f"{page.stat().st_size:,} bytes" in said


def test_a_verdict_alone_says_what_is_missing(tmp_path: Path) -> None:
    verdict, page = tmp_path / "verdict.json", tmp_path / "page.html"
    main(["judge", str(STORED), "--json", str(verdict)])
    assert main(["report", str(verdict), "-o", str(page)]) == 0
    assert "only a verdict is at hand" in page.read_text(encoding="utf-8")


def test_the_page_depends_on_the_evidence_alone(tmp_path: Path) -> None:
    pages = [tmp_path / f"{name}.html" for name in ("one", "two")]
    for page in pages:
        assert main(["report", str(STORED), "-o", str(page)]) == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()


@pytest.mark.parametrize(
    ("target", "output", "expected"),
    [
        ("nothing.json", "page.html", "No such file"),
        (".", "page.html", "no plan.json"),
        (str(STORED), "no/such/folder/page.html", "--output"),
        (str(STORED), ".", "--output"),
    ],
)
def test_what_cannot_be_read_or_written_is_named(
    target: str,
    output: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", target, "-o", output]) == 2
    assert expected in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
