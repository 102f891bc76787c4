"""The example of the contract's page is an entry: it is checked, and it passes a rehearsal."""

import re
from pathlib import Path

import pytest

from tests.factories.playground import ROOT, harness, write_track


def example(folder: Path) -> Path:
    """The files that the page shows, in a folder."""
    page = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## An example\n")
    section, _, _ = section.partition("\n## ")
    shown = re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert [name for name, _ in shown] == ["submission.toml", "train.py"]
    folder.mkdir()
    for name, text in shown:
        (folder / name).write_text(text)
    return folder


def test_the_example_is_checked_and_lacks_only_what_is_for_people(tmp_path: Path) -> None:
    outcome = harness("check", example(tmp_path / "example"))
    assert outcome.code == 0, outcome.out
    assert outcome.out.count("UNKNOWN") == 2  # README.md and submission.json


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_example_passes_a_rehearsal(tmp_path: Path, data_root: Path) -> None:
    track = write_track(tmp_path / "smoke.toml", train_seconds=60, questions="all")
    outcome = harness(
        "verify", example(tmp_path / "example"), "--track", track, "--sandbox", "process",
        "--data", data_root, "--runs", tmp_path / "runs", "--json", "-",
    )  # fmt: skip
    short = [c["detail"] for c in outcome.verdict["checks"] if c["status"] != "pass"]
    assert outcome.verdict["verdict"] == "REHEARSED", short
