"""A repository for each test of the gate."""

from pathlib import Path

import pytest

from tests.gate.histories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")
