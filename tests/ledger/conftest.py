"""An empty leaderboard, and the track that its verdicts are on."""

from pathlib import Path

import pytest

from harness.contest.track import load_track
from tests.factories.plans import strict_track
from tests.factories.playground import write_track
from tests.ledger.boards import EMPTY, RELAXED


@pytest.fixture(autouse=True)
def _relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RELAXED.items():
        monkeypatch.setattr(name, value)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "leaderboard.json"
    path.write_text(EMPTY)
    return path


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """The file of the track that :func:`plan` runs on."""
    path = tmp_path / "strict.toml"
    write_track(path, questions="all", imposed=False, rehearsal="false")
    path.write_text(path.read_text().replace('name = "smoke"', 'name = "strict"'))
    assert load_track(str(path)).digest == strict_track().digest
    return path
