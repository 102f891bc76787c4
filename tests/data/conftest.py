"""One small demo dataset for all tests; tests that damage it work on a copy."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data.build.demo import build_demo, library_documents
from harness.data.format.dataset import DEMO_NAME, Dataset
from harness.data.format.manifest import MANIFEST_NAME

SHARED_DATA = Path(__file__).parents[2] / "../shared/data"
LIBRARY_FILES = 160
LIBRARY_FILE_BYTES = 10_000


class Folder:
    """A copy of the dataset that a test may damage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / DEMO_NAME
        self.train = self.path / "train/fineweb_train_000000.bin"
        self.val = self.path / "val/fineweb_val_000000.bin"
        self.documents = self.path / "docs_val.jsonl"
        self.manifest = self.path / MANIFEST_NAME

    def edit_manifest(self, edit: Callable[[dict[str, Any]], None]) -> None:
        content = json.loads(self.manifest.read_bytes())
        edit(content)
        self.manifest.write_text(json.dumps(content))

    def entry(self, content: dict[str, Any], kind: str) -> dict[str, Any]:
        return next(entry for entry in content["files"] if entry["kind"] == kind)

    def reseal(self, **counts: int) -> None:
        """Make sizes and digests fit again, so that only deeper checks can object."""

        def edit(content: dict[str, Any]) -> None:
            for entry in content["files"]:
                data = (self.path / entry["path"]).read_bytes()
                entry["bytes"] = len(data)
                entry["sha256"] = hashlib.sha256(data).hexdigest()
                if "tokens" in entry:
                    entry["tokens"] = (len(data) - 1024) // 2
            documents = self.entry(content, "docs_val")
            documents.update(counts)
            content["totals"].update(
                train_tokens=self.entry(content, "train")["tokens"],
                validation_tokens=self.entry(content, "val")["tokens"],
                validation_documents=documents["documents"],
                validation_bytes=documents["text_bytes"],
            )

        self.edit_manifest(edit)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small standard library: real files, and beside them files that must be left out."""
    import sysconfig

    folder = tmp_path_factory.mktemp("library")
    texts = library_documents(Path(sysconfig.get_path("stdlib")))
    small = {n: t for n, t in texts.items() if len(t) < LIBRARY_FILE_BYTES}
    for name in list(small)[:LIBRARY_FILES]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(small[name].encode())
    unusable = {
        "empty.py": b"",
        "latin1.py": b"# caf\xe9\n",
        "nul.py": b"x = 1\0\n",
        "block.py": "# \u2581\n".encode(),
        "huge.py": b"# " + b"x" * (128 << 10),
        "notes.txt": b"not source\n",
        "_sysconfigdata_here.py": b"x = 1\n",
        "test/test_x.py": b"x = 1\n",
        "site-packages/other.py": b"x = 1\n",
    }
    for name, content in unusable.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "link.py").symlink_to(folder / "notes.txt")
    return folder


@pytest.fixture(scope="session")
def dataset(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Never to be changed; :func:`folder` is for that."""
    return build_demo(tmp_path_factory.mktemp("data"), library=library)


@pytest.fixture
def folder(dataset: Dataset, tmp_path: Path) -> Folder:
    shutil.copytree(dataset.directory, tmp_path / DEMO_NAME)
    return Folder(tmp_path)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not (SHARED_DATA / "english").is_dir():
        pytest.skip("../shared/data is not there")
    return SHARED_DATA
