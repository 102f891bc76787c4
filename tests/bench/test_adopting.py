"""The bench of adoption makes folders of which no two are alike."""

import hashlib
from pathlib import Path

from tests.bench.adopting import copies, sources


def test_no_two_copies_are_alike(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    found = sources(tmp_path / "made", [])
    assert {"plain_inline", "ttt_documents"} <= {folder.name for folder in found}
    written = copies(found, tmp_path / "records", 2 * len(found))
    scripts = list((tmp_path / "records").glob("*/*.py"))
    assert written == sum(path.stat().st_size for path in scripts)
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in scripts}) == len(scripts)
    assert len(list((tmp_path / "records").iterdir())) == 2 * len(found)
