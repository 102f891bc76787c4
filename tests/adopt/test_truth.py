"""The reading of 18 scripts that were merged upstream, against one made by eye."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.adopt.find_bridge import adopt
from harness.upstream.folder import RecordFolder
from tests.audit.records import UPSTREAM

SCRIPTS = UPSTREAM.parent / "upstream_code"
TRUTH = tomllib.loads((Path(__file__).parent / "truth.toml").read_text())

pytestmark = pytest.mark.skipif(not SCRIPTS.is_dir(), reason="upstream's scripts are not here")


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_the_script_alone(name: str) -> None:
    assert _read(SCRIPTS / name) == _told(name)


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_the_script_with_its_logs(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(SCRIPTS / name, folder)
    for file in (UPSTREAM / name).rglob("*"):
        if file.suffix in (".log", ".txt"):
            place = folder / file.relative_to(UPSTREAM / name)
            place.parent.mkdir(exist_ok=True, parents=True)
            shutil.copyfile(file, place)
    assert _read(folder) == _told(name)


def _told(name: str) -> dict[str, Any]:
    return {key: value for key, value in TRUTH[name].items() if key != "why"}


def _read(folder: Path) -> dict[str, Any]:
    found = adopt(RecordFolder(folder))
    bridge = found.bridge
    assert bridge is not None and bridge.evaluation is not None and bridge.logits is not None
    assert bridge.artifact is not None and bridge.artifact.file == found.artifact
    assert bridge.no_train.env == {"ITERATIONS": "0", "WARMUP_STEPS": "0"}
    assert bridge.rehearsal.windows is not None
    return {
        "adoption": found.adoption,
        "artifact": found.artifact,
        "evaluation": found.evaluation,
        "function": bridge.evaluation.function,
        "model": bridge.evaluation.model,
        "logits": bridge.logits.how,
        "context": found.context,
        "stride": found.stride,
        "vocab": found.vocab,
        "learns": found.learns,
    }
