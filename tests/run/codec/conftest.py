"""A small dataset over bytes, and submissions whose tokenizers are a few lines."""

import textwrap
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.contest.entry import Entry, Tokenizer
from harness.contest.track import Tokenizing, load_track
from harness.data.build.building import build_dataset
from harness.data.format.dataset import Dataset
from harness.data.format.tokenizers import ByteTokenizer
from harness.evidence.host import SandboxFacts
from harness.run.codec.phase import Coder
from harness.run.codec.texts import Proven, prove_code
from harness.run.texts import StockTexts
from harness.safeio.files import write_files
from harness.sandbox.process.sandbox import ProcessSandbox
from tests.factories.plans import entry

VALIDATION = [
    "The first Document, of Words.",
    "",
    "NUL \0 and \ufeff and \u2028 inside",
    "\u0130stanbul, \u01c5 and \ufb01: capitals that are not one letter",
    "emoji \U0001f600\U0001f9d1\u200d\U0001f680, a lone \u0301 and \uffff",
    "x" * 3000,
    "\r\n\t  spaces   \n",
]
TRAIN = ["", *(f"Train document {number}: " + "Some Text. " * number for number in range(40))]
QUICK = Tokenizing(
    start_seconds=60,
    encode_seconds_per_mb=100,
    decode_seconds_per_mb=100,
    memory_bytes=4 << 30,
)
HONEST = """
    class Words:
        vocabulary_size, bos_id = 257, 256

        def encode(self, text):
            return list(text.encode())

        def decode(self, ids):
            return bytes(ids).decode()

    def make(model):
        return Words()
"""


@pytest.fixture(scope="session")
def bytes_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of datasets with one, over bytes, of all kinds of text."""
    root = tmp_path_factory.mktemp("codec") / "data"
    build_dataset(TRAIN, VALIDATION, ByteTokenizer().model, root / "bytes", source="t", workers=1)
    return root


@dataclass(frozen=True)
class Bench:
    """A tokenizer of a few lines, and what becomes of it."""

    coder: Coder
    entry: Entry
    stock: StockTexts
    notes: list[str]

    def prove(self) -> Proven:
        """Encode the dataset, and ask again."""
        with ExitStack() as holds:
            return prove_code(
                self.coder, self.entry, SandboxFacts(kind="process"), self.stock, holds=holds
            )

    @property
    def problem(self) -> str:
        """Why it is refused; empty where it is not."""
        proven = self.prove()
        assert proven.lost is None and proven.proof is not None, proven.lost
        return proven.proof.problem

    @property
    def log(self) -> str:
        """What its sandboxes printed."""
        return self.coder.log.read_text()

    def allowed(self, **changes: Any) -> "Bench":
        """The same under another track's limits."""
        allowed = self.coder.allowed.model_copy(update=changes)
        return replace(self, coder=replace(self.coder, allowed=allowed))


Benches = Callable[..., Bench]


@pytest.fixture
def benches(bytes_root: Path, tmp_path: Path) -> Benches:
    """Makes a bench of a source; ``within`` replaces the body of ``encode`` or ``decode``."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "bytes").symlink_to(bytes_root / "bytes")

    def bench(source: str = HONEST, *, model: bytes | None = None) -> Bench:
        files = {"words.py": textwrap.dedent(source).encode()}
        if model is not None:
            files["table.bin"] = model
        tokenizer = Tokenizer(
            kind="code", code="words:make", file=None if model is None else "table.bin"
        )
        code = tmp_path / "code"
        write_files(code, files)
        dataset = Dataset(data / "bytes", _manifest(bytes_root))
        notes: list[str] = []
        coder = Coder(
            sandbox=ProcessSandbox(),
            code=code,
            tokenizer=tokenizer,
            track_limits=load_track("smoke").sandbox,
            allowed=QUICK,
            nonce="5" * 32,
            log=tmp_path / "tokenize.log",
            note=notes.append,
            servers=2,
        )
        made = entry(files, tokenizer=tokenizer)
        return Bench(coder, made, StockTexts(dataset, None), notes)

    return bench


def _manifest(root: Path) -> Any:
    from harness.data.format.manifest import MANIFEST_NAME, load_manifest

    return load_manifest(root / "bytes" / MANIFEST_NAME)


def changed(**bodies: str) -> str:
    """The honest tokenizer with other lines: ``encode="return []"``, ``top="import os"``."""
    source = textwrap.dedent(HONEST)
    for name, argument in (("encode", "text"), ("decode", "ids")):
        if name in bodies:
            begin = source.index(f"def {name}(self, {argument}):\n")
            end = source.index("\n", source.index("return", begin))
            body = textwrap.indent(textwrap.dedent(bodies[name]).strip(), " " * 8)
            source = f"{source[:begin]}def {name}(self, {argument}):\n{body}{source[end:]}"
    for name in ("vocabulary_size, bos_id = 257, 256", "return Words()"):
        source = source.replace(name, bodies.get(name.split()[0].strip(","), name))
    return textwrap.dedent(bodies.get("top", "")) + "\n" + source
