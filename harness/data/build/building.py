"""Makes a dataset directory from documents and a tokenizer, whole or not at all."""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from pathlib import Path

from harness.data.build.baselines import unigram_bpb, witten_bell_bigram_bpb
from harness.data.build.encoding import encode_documents
from harness.data.build.publishing import publish, refuse_existing, staging
from harness.data.build.written_files import ShardsWriter, document_entry, file_entry
from harness.data.format.dataset import Dataset, check_dataset
from harness.data.format.documents import DocumentWriter
from harness.data.format.manifest import (
    FOLDERS,
    MANIFEST_NAME,
    FileEntry,
    Kind,
    Manifest,
    TextRule,
    check_name,
    load_manifest,
    totals_of,
)
from harness.data.format.reading import Progress, silent
from harness.data.format.shards import Tokens, concatenated, read_shard
from harness.data.format.tokenizers import (
    SPELLED,
    AnyTokenizer,
    TokenizerError,
    parse_tokenizer,
)
from harness.errors import InfrastructureError
from harness.safeio.files import write_atomically

SHARD_TOKENS = 100_000_000
"""Tokens in a full shard, as in the field."""


BASELINE_TOKENS = 40_000_000
"""Most tokens that baselines are counted on: they take some 40 bytes of memory for each."""


Position = Callable[[], tuple[int, int]]


class TextLost(InfrastructureError):
    """A validation document whose tokens do not decode to its text.

    Attributes:
        document: its number, from 1, among the validation documents.
        problem: where the two texts first differ, and how.
    """

    def __init__(self, document: int, problem: str, *, remedy: str) -> None:
        super().__init__(
            f"validation document {document}: the tokenizer loses text: {problem}", remedy=remedy
        )
        self.document = document
        self.problem = problem


def _remedy(problem: str, text: TextRule) -> str:
    """What to do about a text that is lost: nothing that was done, or that does not help."""
    if SPELLED in problem:
        return "use a tokenizer whose vocabulary has the piece U+2581; its normalization is not why"
    said = "leave the document out, or use a tokenizer that gives back every text"
    if text == "normalized":
        return said
    return f"{said}, or let the dataset be of the normalized text (--text normalized)"


def build_dataset(
    documents_train: Iterable[str],
    documents_val: Iterable[str],
    tokenizer_model: bytes,
    destination: Path,
    *,
    source: str,
    tokenizer_name: str = "tokenizer.model",
    text: TextRule = "raw",
    published_val: Iterable[str] | None = None,
    shard_tokens: int = SHARD_TOKENS,
    most_tokens: int | None = None,
    workers: int | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    position: Position | None = None,
    note: Callable[[str], None] | None = None,
) -> Dataset:
    """Build a dataset at ``destination``, whose last part is its name.

    It is made in a directory beside the destination, checked there, and then renamed, so that the
    final name never belongs to an incomplete dataset. With ``replace``, an older one is removed.
    The validation documents are read to their end before the first of the others; only a few
    batches of either are in memory. The same documents and tokenizer give the same bytes, whatever
    ``workers`` is.

    The tokens of every validation document must decode to it exactly; with ``text="normalized"``,
    to the document after the tokenizer's own normalization. Train documents need not; ``note`` is
    told how many do not. ``published_val`` are the validation documents before they were
    normalized, for another tokenizer on a dataset of normalized text: see
    :func:`harness.data.build.encoding.encode_documents`. ``position`` returns how many bytes of
    documents have been read and how many there are, to show progress where the documents are no
    sequences. ``most_tokens`` limits the number of tokens written in all.

    Raises:
        UsageError: ``destination`` does not end in a valid name for a dataset.
        TokenizerError: the model is no tokenizer, or makes more than ``most_tokens``.
        TextLost: the tokens of a validation document do not decode to it.
        InfrastructureError: the destination exists already, or the disk is full.
    """
    progress = progress or silent
    check_name(destination.name)
    refuse_existing(destination, replace=replace)
    tokenizer = parse_tokenizer(tokenizer_model)
    with staging(destination) as directory:
        maker = _Maker(
            directory=directory,
            tokenizer=tokenizer,
            text=text,
            shard_tokens=shard_tokens,
            most_tokens=most_tokens,
            workers=workers,
            progress=progress,
            position=position,
            note=note or (lambda _: None),
            total=len(documents_train) + len(documents_val)
            if isinstance(documents_train, Sized) and isinstance(documents_val, Sized)
            else 0,
        )
        val = list(maker.split("val", documents_val, published_val))
        train = list(maker.split("train", documents_train))
        tokenizer_path = f"{FOLDERS['tokenizer']}/{tokenizer_name}"
        write_atomically(directory / tokenizer_path, tokenizer_model)
        files = (
            *(entry for entry in train if entry.kind == "train"),
            *(entry for entry in val if entry.kind == "val"),
            file_entry(directory, tokenizer_path, "tokenizer"),
            *(entry for entry in (*train, *val) if entry.kind not in ("train", "val")),
        )
        totals = totals_of(files)
        if not totals.validation_bytes:
            raise InfrastructureError(
                "the validation documents hold no text", remedy="use a larger corpus"
            )
        manifest = Manifest(
            name=destination.name,
            source=source,
            text=text,
            vocabulary_size=tokenizer.vocabulary_size,
            bos_id=tokenizer.bos_id,
            tokenizer=tokenizer_path,
            files=files,
            baselines=_baselines(directory, files, tokenizer.vocabulary_size, progress),
            totals=totals,
        )
        write_atomically(directory / MANIFEST_NAME, manifest.to_json())
        # Read back from the disk: the check is about what was written, not about what was intended.
        manifest = load_manifest(directory / MANIFEST_NAME)
        check_dataset(Dataset(directory=directory, manifest=manifest), progress=progress)
        publish(directory, destination)
    return Dataset(directory=destination.resolve(), manifest=manifest)


@dataclass(kw_only=True)
class _Maker:
    """Writes the files of each split in turn."""

    directory: Path
    tokenizer: AnyTokenizer
    text: TextRule
    shard_tokens: int
    most_tokens: int | None
    workers: int | None
    progress: Progress
    position: Position | None
    note: Callable[[str], None]
    total: int
    documents: int = 0
    tokens: int = 0

    def split(
        self, kind: Kind, documents: Iterable[str], published: Iterable[str] | None = None
    ) -> Iterator[FileEntry]:
        """Write the shards of one split, its documents and, where they differ, the raw ones."""
        validation = kind == "val"
        normalized = validation and self.text == "normalized"
        shards = ShardsWriter(self.directory, kind, self.shard_tokens)
        path = self.directory / f"docs_{kind}.jsonl"
        raw_path = self.directory / "docs_raw.jsonl"
        inexact, first_inexact = 0, ""
        with DocumentWriter(path) as texts, DocumentWriter(raw_path, wanted=normalized) as raw:
            for batch in encode_documents(
                documents,
                self.tokenizer,
                text=self.text if validation else "raw",
                published=published,
                workers=self.workers,
            ):
                for place, problem in batch.problems.items():
                    number = texts.documents + place + 1
                    if validation:
                        remedy = _remedy(problem, self.text)
                        raise TextLost(number, problem, remedy=remedy)
                    inexact += 1
                    first_inexact = first_inexact or f"document {number}, {problem}"
                self.tokens += len(batch.tokens)
                if self.most_tokens is not None and self.tokens > self.most_tokens:
                    raise TokenizerError(
                        f"makes more than {self.most_tokens:,} tokens, which is more than the "
                        "texts have bytes",
                        remedy="use another tokenizer",
                    )
                texts.write(batch.texts)
                raw.write(batch.raw)
                shards.write(batch.tokens)
                self.documents += len(batch.texts)
                if self.position is not None:
                    self.progress("tokenizing documents", *self.position())
                elif self.total:
                    self.progress("tokenizing documents", self.documents, self.total)
        if inexact:
            self.note(
                f"{inexact:,} of {texts.documents:,} train documents do not come back exactly "
                f"from their tokens (only validation documents must); the first: {first_inexact}"
            )
        yield from shards.close()
        yield document_entry(self.directory, texts, "docs_val" if validation else "docs_train")
        if normalized:
            yield document_entry(self.directory, raw, "docs_raw")


def _baselines(
    directory: Path, files: tuple[FileEntry, ...], vocabulary_size: int, progress: Progress
) -> dict[str, float]:
    """The baselines, rounded finely, so that the order of a sum cannot change the digest.

    None on a corpus too large to count in memory.
    """

    def stream(kind: Kind) -> Tokens:
        return concatenated(
            [
                read_shard(directory / entry.path, vocabulary_size=vocabulary_size)
                for entry in files
                if entry.kind == kind
            ]
        )

    totals = totals_of(files)
    if totals.train_tokens + totals.validation_tokens > BASELINE_TOKENS:
        return {}
    progress("counting baselines", 0, 1)
    what = stream("train"), stream("val"), vocabulary_size, totals.validation_bytes
    found = {
        "unigram": round(unigram_bpb(*what), 6),
        "witten_bell_bigram": round(witten_bell_bigram_bpb(*what), 6),
    }
    progress("counting baselines", 1, 1)
    return found
