"""Submissions of a few lines, and the command run on them as a user would run it."""

import json
import sys
import textwrap
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import main
from tests.factories.plans import SMOKE_TOML

ROOT = Path(__file__).parents[2]
BIGRAM = ROOT / "tests/factories/honest/bigram"
CAPITALS = ROOT / "tests/factories/honest/capitals"
UNIFORM = """
    def load_model(artifact, device):
        import torch
        return lambda tokens, first: torch.zeros(tokens.shape[0], tokens.shape[1] - first, 1024)
"""
WRITE = "import os; open(os.environ['OUTPUT_DIR'] + '/model.bin', 'wb').write(b'weights')"
MANIFEST = """\
[submission]
name = "Toy"
author = "A. Author"
github_id = "author"
[code]
files = ["train.py", "model.py"]
[train]
command = ["python", "train.py"]
artifact = "model.bin"
[score]
load = "model:load_model"
sequence_length = 256
stride = 256
"""


def write_submission(
    folder: Path, *, train: str = WRITE, model: str = UNIFORM, manifest: str = MANIFEST
) -> Path:
    """A folder with a train script and a model, each given as source."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "submission.toml").write_text(manifest)
    (folder / "train.py").write_text(textwrap.dedent(train))
    (folder / "model.py").write_text(textwrap.dedent(model))
    return folder


# Of the small dataset, which would be asked for nearly whole.
_FEWER_QUESTIONS = {"tolerance_nats": "0.2", "dearest_nats": "5"}


ON_ANY_ENGINE = "false\nrefuse_known_escapes = false"
"""``rehearsal`` of a contest whose runs are made with whatever engine the tests find."""


def write_track(
    path: Path, *, train_seconds: float | str = 20, imposed: bool | str = True, **changes: str
) -> Path:
    """The smoke track with one line or another changed: ``rehearsal="false"``, ``seeds="2"``.

    With ``questions="all"`` as many targets are asked again as there. Without ``imposed``, every
    run is shown the dataset's own train shards.
    """
    fewer = {} if changes.pop("questions", "few") == "all" else _FEWER_QUESTIONS
    lines = []
    text = SMOKE_TOML.read_text()
    if not imposed:
        before, after = text.index("[imposed]"), text.index("[reproduction]")
        text = text[:before] + text[after:]
    for line in text.splitlines():
        key = line.partition(" = ")[0]
        value = {"train_seconds": str(train_seconds), **fewer, **changes}.get(key)
        lines.append(line if value is None else f"{key} = {value}")
    path.write_text("\n".join(lines))
    return path


@dataclass(frozen=True)
class Outcome:
    """What a command printed and returned; ``verdict`` is empty when there was none."""

    code: int
    out: str
    err: str
    verdict: dict[str, Any]

    def status(self, check: str) -> str:
        """Status of one check."""
        return str(next(c["status"] for c in self.verdict["checks"] if c["id"] == check))

    @property
    def failed(self) -> list[str]:
        """Checks that failed."""
        return [c["id"] for c in self.verdict["checks"] if c["status"] == "fail"]


def harness(*arguments: object) -> Outcome:
    """Run a command in this process, from text and paths; ``--json -`` is understood."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        # On so small a dataset two seeds score the same to five digits once in a hundred draws:
        # every test draws the same ones each time.
        patch.setattr("harness.run.plan.new_nonce", lambda: "5" * 32)
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:
            code = int(str(error.code))
    text = out.getvalue()
    verdict = json.loads(text) if text.startswith("{") else {}
    return Outcome(code=code, out=text, err=err.getvalue(), verdict=verdict)


def build_small_dataset(root: Path, whole: Path) -> Path:
    """A few documents of the demo dataset, built into ``root``; the demo itself into ``whole``."""
    from harness.data.build.building import build_dataset
    from harness.data.build.demo import build_demo
    from harness.data.format.documents import read_documents

    demo = build_demo(whole)
    train, val = (
        [text for text in read_documents(demo.directory / name) if len(text) < 12_000][:count]
        for name, count in (("docs_train.jsonl", 200), ("docs_val.jsonl", 6))
    )
    tokenizer = demo.tokenizer_path.read_bytes()
    place = root / demo.manifest.name
    build_dataset(train, val, tokenizer, place, source="parts of the demo dataset")
    return root


def verified(entry: Path, folder: Path, data: Path) -> Path:
    """The directory of runs of an entry that was verified with two seeds, without isolation."""
    folder.mkdir(exist_ok=True)
    options = ["--sandbox", "process", "--data", data, "--runs", folder / "runs"]
    done = harness("verify", entry, "--track", write_track(folder / "t.toml", seeds="2"), *options)
    assert done.code == 0, done.err
    return folder / "runs"
