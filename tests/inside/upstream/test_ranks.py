"""Two ranks under torchrun, over gloo, with the reductions that gloo lacks."""

from pathlib import Path

import pytest

from tests.inside.upstream import ranks
from tests.inside.upstream.conftest import TORCHRUN, launch


@pytest.mark.long
def test_ranks_agree_as_they_would_over_nccl(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "ranks.py").write_bytes(Path(ranks.__file__).read_bytes())
    command = (*TORCHRUN, "--nproc_per_node=2", "ranks.py")
    ended = launch(tmp_path / "code", tmp_path / "work", *command)
    assert ended.returncode == 0, ended.stdout
    assert "held" in ended.stdout.splitlines()
