"""Every cheater is caught by the check its folder is named for, and by no other."""

from pathlib import Path

import pytest

from harness import checks
from tests.playground import ROOT, harness, write_track

CHEATERS = sorted((ROOT / "tests/cheaters").glob("*/*/"))


@pytest.mark.parametrize(
    "folder", CHEATERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}"
)
def test_the_check_named_by_the_folder_alone_catches_it(
    folder: Path, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = folder.parent.name
    track = write_track(tmp_path / "track.toml", seeds="2")
    arguments = ["--track", track, "--sandbox", "process", "--data", data_root, "--json", "-"]
    done = harness("verify", folder, *arguments, "--runs", tmp_path / "runs")
    assert done.code == 1, done.err
    assert done.failed == [check]

    # Gate mutation: with the check switched off, the same evidence passes.
    honest = getattr(checks, f"check_{check}")

    def switched_off(*inputs: object) -> object:
        return honest(*inputs).model_copy(update={"status": "pass"})

    monkeypatch.setattr(checks, f"check_{check}", switched_off)
    judged = harness("judge", done.verdict["evidence"], "--json", "-")
    assert judged.verdict["verdict"] == "REHEARSED"
    assert judged.code == 0
