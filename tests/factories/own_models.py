"""Datasets in the tokens of SentencePiece models, made in process sandboxes."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from harness.contest.track import load_track
from harness.data.format.dataset import Dataset
from harness.evidence.host import SandboxFacts
from harness.run.codec.making import Made, key_of, make
from harness.run.codec.models import coder_of
from harness.run.codec.phase import Coder
from harness.run.codec.texts import Proven, prove_model
from harness.run.texts import StockTexts, brought_by
from harness.run.tokenizing import NormalTokenizer, OwnTokenizer, normalized
from harness.sandbox.process.sandbox import ProcessSandbox

FACTS = SandboxFacts(kind="process")


def coder(normal: NormalTokenizer, scratch: Path, *, note: Callable[[str], None] = print) -> Coder:
    """What runs a model; it leaves a folder in ``scratch``."""
    place = Path(tempfile.mkdtemp(dir=scratch))
    place.chmod(0o755)
    return coder_of(
        normal,
        place / "pieces",
        sandbox=ProcessSandbox(),
        track_limits=load_track("smoke").sandbox,
        nonce="5" * 32,
        log=place / "tokenize.log",
        note=note,
    )


def in_own_tokens(
    normal: NormalTokenizer,
    dataset: Dataset,
    scratch: Path,
    *,
    holds: ExitStack,
    note: Callable[[str], None] = print,
    train: bool = True,
) -> Made:
    """Make or find a dataset in the tokens of a model, without asking again."""
    runs = coder(normal, scratch, note=note)
    key = key_of(dataset, runs, brought=normal.sha256, sandbox=FACTS, train=train)
    return make(runs, dataset, key, train=train, holds=holds)


def proven(
    own: OwnTokenizer,
    stock: StockTexts,
    scratch: Path,
    *,
    holds: ExitStack,
    note: Callable[[str], None] = print,
) -> Proven | str:
    """What becomes of a submission's model; a sentence where it has no normal form."""
    normal = normalized(own)
    if normal.tokenizer is None:
        return normal.problem
    runs = coder(normal.tokenizer, scratch, note=note)
    return prove_model(runs, brought_by(own, normal), FACTS, stock, holds=holds)
