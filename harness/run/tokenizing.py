"""A submission's own tokenizer: the dataset made again with it, before any clock runs.

The texts are the track's own; only the tokens differ. A model file comes from a stranger and is
parsed by a library in C++, so it is never loaded into this process: a child with limits on memory
and processor time (``tokenizing_child.py``) encodes every document, decodes it again and
compares. The result is kept beside the datasets, under the digest of its inputs.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from pydantic import Field

from harness import REPOSITORY
from harness.contest.entry import Entry
from harness.data.build.encoding import CRASHES
from harness.data.build.publishing import only_builder
from harness.data.format.dataset import Dataset, check_files
from harness.data.format.manifest import MANIFEST_NAME, load_manifest
from harness.data.format.reading import silent
from harness.data.format.tokenizers import ByteTokenizer
from harness.errors import InfrastructureError
from harness.models import Fact
from harness.safeio.files import digest_of_named, sha256_of_bytes, write_atomically
from harness.safeio.memory import available_bytes
from harness.safeio.parsing import parse_model
from harness.safeio.text import plain

FOLDER = "derived"
"""Where datasets made with submissions' tokenizers lie, beside the datasets themselves."""
FORMAT = b"1"
"""Part of the digest that names them; raise it when the same inputs give other files."""
LEAST_CPU_SECONDS = 120
TEXT_BYTES_PER_CPU_SECOND = 20_000
"""A hundredth of the speed at which a usual tokenizer encodes and decodes."""
ADDRESS_SPACE_BYTES = 16 << 30
"""Memory limit of a tokenizing process; half of the machine's free memory, if that is less."""
ENOUGH_BYTES = 4 << 30
"""Enough for our part of the work and any honest tokenizer: one that needs more is at fault."""
# With -P, which -m would undo: the working directory may be a submission with a numpy.py in it.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from harness.run.tokenizing_child import main; main()"
)
_LINE_BYTES = 1 << 16
_NOTE_SECONDS = 15.0


class Order(Fact):
    """The child's task, as JSON on its command line."""

    train_documents: tuple[str, ...]
    validation_documents: str
    published_documents: str | None
    tokenizer: str
    tokenizer_name: str
    destination: str
    source: str
    cpu_seconds: int
    address_space_bytes: int
    enough_bytes: int


class Word(Fact):
    """One line that the child prints: its progress, or how it ended."""

    kind: Literal["progress", "done", "rejected", "ours"]
    text: str = Field(default="", max_length=4000)
    remedy: str = Field(default="", max_length=1000)
    document: int | None = Field(default=None, gt=0)
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class OwnTokenizer:
    """The tokenizer that an entry brings; ``name`` is its name in messages."""

    name: str
    file_name: str
    model: bytes

    @property
    def sha256(self) -> str:
        """Digest of the model."""
        return sha256_of_bytes(self.model)


def own_tokenizer(entry: Entry, files: Mapping[str, bytes]) -> OwnTokenizer | None:
    """The entry's own tokenizer, if it brings one; ``files`` are those of the entry."""
    kind, file = entry.tokenizer.kind, entry.tokenizer.file
    if kind == "stock":
        return None
    if kind == "bytes":
        return OwnTokenizer("pure bytes", "pure_byte_260.json", ByteTokenizer().model)
    if kind == "model" and file is not None:
        return OwnTokenizer(file, "tokenizer.model", files[file])
    raise InfrastructureError(f"a tokenizer of kind {kind} cannot be run by this harness")


@dataclass(frozen=True)
class Retokenized:
    """A dataset's texts in another tokenizer's tokens, or the problem that makes it impossible."""

    dataset: Dataset | None
    problem: str = ""
    document: int | None = None


def retokenize(
    own: OwnTokenizer,
    dataset: Dataset,
    *,
    note: Callable[[str], None],
    train: bool = True,
) -> Retokenized:
    """``dataset`` in the entry's own tokens.

    Made once and kept under the digest of dataset and tokenizer; compared with its manifest at each
    later use. Two processes that ask for the same one wait for each other.

    Args:
        own: the tokenizer.
        dataset: the track's, checked.
        note: told what is being done.
        train: whether the train shards are wanted too, or only the validation split.

    Raises:
        InfrastructureError: the dataset keeps no raw documents, the disk is full, or somebody
            else killed the child.
    """
    key = digest_of_named(
        {
            "format": FORMAT,
            "dataset": dataset.digest.encode(),
            "tokenizer": own.model,
            "train": b"1" if train else b"0",
        }
    )
    root = dataset.directory.parent / FOLDER
    with only_builder(root, key):
        found = _opened(root / key)
        if found is None:
            note(f"tokenizing {dataset.manifest.name} with {own.name}")
            word = _build(dataset, own.model, own.file_name, root / key, note=note, train=train)
            if word.kind == "rejected":
                problem = f"{own.name}: {plain(word.text, 1000)}"
                return Retokenized(None, problem, word.document)
            found = _opened(root / key)
    if found is None or not _same_text(found, dataset):
        raise InfrastructureError(
            "not what was to be made there", file=root / key, remedy="remove it and try again"
        )
    return Retokenized(found)


def _opened(directory: Path) -> Dataset | None:
    """A dataset made earlier, every file compared with its manifest; None if absent or damaged.

    The tokens are not decoded again: that was done before the manifest was written.
    """
    if not (directory / MANIFEST_NAME).is_file():
        return None
    try:
        manifest = load_manifest(directory / MANIFEST_NAME)
        dataset = Dataset(directory=directory.resolve(), manifest=manifest)
        check_files(dataset, silent)
    except InfrastructureError:
        return None
    return dataset


def _same_text(found: Dataset, dataset: Dataset) -> bool:
    mine, theirs = found.manifest.totals, dataset.manifest.totals
    return (mine.validation_documents, mine.validation_bytes) == (
        theirs.validation_documents,
        theirs.validation_bytes,
    ) and found.manifest.documents.sha256 == dataset.manifest.documents.sha256


def _build(
    dataset: Dataset,
    model: bytes,
    name: str,
    destination: Path,
    *,
    note: Callable[[str], None],
    train: bool,
) -> Word:
    manifest = dataset.manifest
    documents = manifest.of_kind("docs_train") if train else ()
    if train and not documents:
        raise InfrastructureError(
            "lists no file of kind docs_train: without the raw train documents no train shards "
            "can be made with another tokenizer",
            file=dataset.directory / MANIFEST_NAME,
            remedy="bring them (harness data fetch NAME --train-documents), or build the dataset "
            "from its documents (harness data tokenize), which keeps them",
        )
    text_bytes = manifest.totals.validation_bytes + sum(
        entry.text_bytes or 0 for entry in documents
    )
    with tempfile.TemporaryDirectory(prefix="harness-tokenizer-") as folder:
        path = Path(folder, name)
        write_atomically(path, model)
        order = Order(
            train_documents=tuple(str(dataset.directory / entry.path) for entry in documents),
            validation_documents=str(dataset.documents_path),
            published_documents=next(
                (str(dataset.directory / entry.path) for entry in manifest.of_kind("docs_raw")),
                None,
            ),
            tokenizer=str(path),
            tokenizer_name=name,
            destination=str(destination),
            source=f"{manifest.name} in the tokens of a submission",
            cpu_seconds=LEAST_CPU_SECONDS + text_bytes // TEXT_BYTES_PER_CPU_SECOND,
            address_space_bytes=min(ADDRESS_SPACE_BYTES, available_bytes() // 2),
            enough_bytes=ENOUGH_BYTES,
        )
        return _ask_child(order, note)


def _ask_child(order: Order, note: Callable[[str], None]) -> Word:
    """Let the child work; its last line, or the reason that its exit code gives."""
    last: Word | None = None
    noted = time.monotonic()
    with tempfile.TemporaryFile() as errors, _child(order, errors) as child:
        # Our failure: a child that got too little of this machine is not the submission's fault.
        watchdog = threading.Timer(600 + 20 * order.cpu_seconds, _end, [child])
        watchdog.daemon = True
        watchdog.start()
        try:
            assert child.stdout is not None  # noqa: S101 - it was asked for
            while line := child.stdout.readline(_LINE_BYTES):
                last = _understood(line)
                if last.kind == "progress" and time.monotonic() - noted > _NOTE_SECONDS:
                    noted = time.monotonic()
                    note(f"{last.text}: {last.done:,} of {last.total:,}")
            code = child.wait()
        finally:
            watchdog.cancel()
        errors.seek(max(errors.tell() - 2000, 0))
        said = errors.read().decode(errors="replace").strip().splitlines()
    if last is not None and last.kind == "ours":
        raise InfrastructureError(plain(last.text, 1000), remedy=plain(last.remedy, 500))
    if last is not None and last.kind != "progress" and code == 0:
        return last
    if -code in CRASHES:
        how = (
            f"needs more than {order.cpu_seconds} s of processor time"
            if -code == signal.SIGXCPU
            else f"ends the library that reads it with {signal.Signals(-code).name}"
        )
        return Word(kind="rejected", text=f"tokenizing the documents with it {how}")
    raise InfrastructureError(
        f"the tokenizing process ended with exit code {code}"
        + (f" ({plain(said[-1], 200)})" if said else ""),
        remedy="free some memory and disk space, and try again",
    )


@contextlib.contextmanager
def _child(order: Order, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The child, in a session of its own; at the end it and all that it started are killed."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _START, str(REPOSITORY), order.model_dump_json()],
        stdin=subprocess.PIPE,  # its end tells the child that we are gone
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        _end(child)
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _understood(line: bytes) -> Word:
    try:
        return parse_model(Word, line, limit_bytes=_LINE_BYTES)
    except ValueError as error:
        raise InfrastructureError(
            "the tokenizing process printed a line that is not valid",
            remedy="try again",
        ) from error
