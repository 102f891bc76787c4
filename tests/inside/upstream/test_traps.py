"""What a stand-in for CUDA gets wrong, each by a small function in one process with it."""

import json
from pathlib import Path

import pytest

from tests.inside.upstream import traps
from tests.inside.upstream.conftest import launch


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    code = tmp_path_factory.mktemp("code")
    (code / "traps.py").write_bytes(Path(traps.__file__).read_bytes())
    ended = launch(code, code.parent / "work", "python", "traps.py")
    assert ended.returncode == 0, ended.stdout
    complaints: dict[str, str] = json.loads(ended.stdout.splitlines()[-1])
    return complaints


@pytest.mark.parametrize("name", traps.TRAPS)
def test_trap(found: dict[str, str], name: str) -> None:
    assert not found[name], found[name]
