"""Checks a whole dataset by reading all of it, and describes it."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from harness.data.format.dataset import Dataset, open_dataset
from harness.data.format.documents import read_documents, text_bytes
from harness.data.format.manifest import TextRule
from harness.data.format.reading import Progress, damaged, silent
from harness.data.format.tokenizers import AnyTokenizer, difference, load_tokenizer


@dataclass(frozen=True)
class Published:
    """How the published documents relate to the text whose bytes are counted.

    Attributes:
        documents: how many there are.
        exact: how many equal that text as published; the others equal it only after normalization.
        bytes: UTF-8 bytes of the published texts.
        first_changed: number and place of the first document that does not; empty if all do.
    """

    documents: int
    exact: int
    bytes: int
    first_changed: str


@dataclass(frozen=True)
class DatasetReport:
    """A dataset in which no fault was found.

    ``train_documents`` is the number of BOS tokens in the train shards. ``seconds`` is how long the
    check and the description took; 0 where it was checked before.
    """

    dataset: Dataset
    text: TextRule
    published: Published
    train_shards: int
    train_documents: int
    validation_shards: int
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Tokens of all shards, divided by the time for everything."""
        totals = self.dataset.manifest.totals
        return (totals.train_tokens + totals.validation_tokens) / max(self.seconds, 1e-9)


def verify_dataset(directory: Path, *, progress: Progress = silent) -> DatasetReport:
    """Check every file, token and document of a dataset directory.

    Header, length and range of token ids of every shard; sizes and digests of all files; the
    number of documents, from BOS; that the tokens of each validation document decode to its
    text, exactly; the bytes of text. Where that text is the normalized one, also that it is what
    the tokenizer's own normalization makes of the published one. Memory use is constant except for
    the validation stream, of two bytes per token.

    Raises:
        InfrastructureError: there is a fault; the message names the file and place of the first
            one.
    """
    began = time.monotonic()
    directory = directory.resolve()
    dataset = open_dataset(directory.parent, directory.name, progress=progress)
    report = describe(dataset, progress=progress)
    return replace(report, seconds=time.monotonic() - began)


def describe(dataset: Dataset, *, progress: Progress = silent) -> DatasetReport:
    """Describe a dataset that has just been checked.

    Raises:
        InfrastructureError: the published documents do not belong to the text.
    """
    tokenizer = load_tokenizer(dataset.tokenizer_path)
    train_documents = 0
    train_shards = list(dataset.shards("train"))
    for number, (_, tokens) in enumerate(train_shards):
        progress("counting train documents", number, len(train_shards))
        train_documents += int((tokens == tokenizer.bos_id).sum())
    return DatasetReport(
        dataset=dataset,
        text=dataset.manifest.text,
        published=_published(dataset, tokenizer, progress),
        train_shards=len(train_shards),
        train_documents=train_documents,
        validation_shards=len(dataset.manifest.of_kind("val")),
    )


def _published(dataset: Dataset, tokenizer: AnyTokenizer, progress: Progress) -> Published:
    totals = dataset.manifest.totals
    raw_files = dataset.manifest.of_kind("docs_raw")
    if not raw_files:
        count = totals.validation_documents
        return Published(count, count, totals.validation_bytes, "")
    path = dataset.directory / raw_files[0].path
    documents = exact = bytes_found = 0
    first = ""
    # There are equally many of both, or the manifest would not have been accepted.
    texts = read_documents(dataset.documents_path)
    for raw, text in zip(read_documents(path), texts, strict=True):
        documents += 1
        normalized = tokenizer.normalized(raw)
        if normalized != text:
            raise damaged(
                path,
                f"normalized, it is not line {documents} of {dataset.documents_path.name}: "
                f"{difference(text, normalized)}",
                line=documents,
            )
        exact += raw == text
        bytes_found += text_bytes(raw)
        if raw != text and not first:
            first = f"document {documents}, {difference(raw, text)}"
        if documents % 64 == 0 or documents == totals.validation_documents:
            progress("normalizing documents", documents, totals.validation_documents)
    if bytes_found != raw_files[0].text_bytes:
        raise damaged(
            path, f"{bytes_found} bytes of text; the manifest says {raw_files[0].text_bytes}"
        )
    return Published(documents, exact, bytes_found, first)
