"""Texts into tokens on all cores, in order: the same whatever the number of workers."""

import collections
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import numpy as np

from harness.data.manifest import TextRule
from harness.data.shards import Tokens
from harness.data.tokenizers import AnyTokenizer, parse_tokenizer
from harness.errors import InfrastructureError

BATCH_CHARACTERS = 1 << 18
ALONE_BATCHES = 32
"""Batches that one process does before it calls for help; starting helpers takes a second."""
WAITING_BATCHES = 4
"""Batches in flight for each worker: bounds memory, whatever the size of the corpus."""


@dataclass(frozen=True)
class Encoded:
    """Some documents in a row.

    Attributes:
        raw: the texts as they came.
        texts: the texts that the tokens are held against: ``raw``, or what the tokenizer's own
            normalisation makes of it.
        tokens: uint16[N], one stream, BOS before each document.
        problems: why a document's tokens do not give its text back, by its place in the batch.
    """

    raw: list[str]
    texts: list[str]
    tokens: Tokens
    problems: dict[int, str] = field(default_factory=dict)


def encode_documents(
    documents: Iterable[str],
    tokenizer: AnyTokenizer,
    *,
    text: TextRule = "raw",
    published: Iterable[str] | None = None,
    workers: int | None = None,
) -> Iterator[Encoded]:
    """Encode ``documents`` in order, and decode again to see what comes back.

    Args:
        documents: read no further ahead than a few batches for each worker.
        tokenizer: its ``model`` is handed to the workers.
        text: which text must come back.
        published: the same documents before they were normalised, if they were. A normalisation
            done twice is not always what it is done once (NFKC composes what it has just taken
            apart), so a tokenizer that normalises may give a document back from its published
            text alone: that is tried first.
        workers: processes; as many as there are cores if not given. A small corpus needs none.

    Raises:
        InfrastructureError: a worker died, of a lack of memory for example.
    """
    workers = workers or len(os.sched_getaffinity(0))
    batches = _batches(
        ((document, None) for document in documents)
        if published is None
        else zip(documents, published, strict=True)
    )
    for batch in itertools.islice(batches, ALONE_BATCHES) if workers > 1 else batches:
        yield _encode(batch, tokenizer, text).of(batch)
    first = next(batches, None)
    if first is not None:
        yield from _in_parallel(itertools.chain([first], batches), tokenizer, text, workers)


_Batch = list[tuple[str, str | None]]


def _batches(documents: Iterable[tuple[str, str | None]]) -> Iterator[_Batch]:
    batch: _Batch = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document[0]) + 1
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


@dataclass(frozen=True)
class _Found:
    """What a worker hands back: texts only where they are not those that it was given."""

    tokens: Tokens
    changed: dict[int, str]
    problems: dict[int, str]

    def of(self, batch: _Batch) -> Encoded:
        raw = [document for document, _ in batch]
        texts = [self.changed.get(place, document) for place, document in enumerate(raw)]
        return Encoded(raw=raw, texts=texts, tokens=self.tokens, problems=self.problems)


def _encode(batch: _Batch, tokenizer: AnyTokenizer, rule: TextRule) -> _Found:
    bos = np.array([tokenizer.bos_id], dtype=np.uint16)
    pieces: list[Tokens] = []
    changed: dict[int, str] = {}
    problems: dict[int, str] = {}
    for place, (document, published) in enumerate(batch):
        text = document if rule == "raw" else tokenizer.normalized(document)
        if text != document:
            changed[place] = text
        tokens = tokenizer.encode(document if published is None else published)
        problem = tokenizer.mismatch(tokens, text)
        if problem and published is not None:
            tokens = tokenizer.encode(document)
            problem = tokenizer.mismatch(tokens, text)
        if problem:
            problems[place] = problem
        pieces += bos, tokens
    return _Found(tokens=np.concatenate(pieces), changed=changed, problems=problems)


def _in_parallel(
    batches: Iterator[_Batch], tokenizer: AnyTokenizer, rule: TextRule, workers: int
) -> Iterator[Encoded]:
    pool = ProcessPoolExecutor(
        workers,
        # A fork would copy the locks of our other threads, in whatever state they are.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=(tokenizer.model, rule),
    )
    waiting: collections.deque[tuple[_Batch, Future[_Found]]] = collections.deque()
    try:
        with _safe_path():  # all workers are started with the first batch
            for batch in itertools.islice(batches, workers * WAITING_BATCHES):
                waiting.append((batch, pool.submit(_encode_there, batch)))
        while waiting:
            oldest, found = waiting.popleft()
            encoded = found.result().of(oldest)
            for batch in itertools.islice(batches, 1):
                waiting.append((batch, pool.submit(_encode_there, batch)))
            yield encoded
    except BrokenProcessPool as error:
        raise InfrastructureError(
            "a process that tokenizes was ended from outside, or crashed on the tokenizer",
            remedy="see that there is memory left; try --workers 1",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Processes started meanwhile import nothing from the working directory.

    That may be a submission, whose ``multiprocessing.py`` is not for us to run.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


_there: tuple[AnyTokenizer, TextRule]


def _prepare(model: bytes, rule: TextRule) -> None:
    """In a worker, once."""
    global _there  # noqa: PLW0603 - a worker has no other place for what it is told once
    _there = parse_tokenizer(model), rule
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is our parent's to answer
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """A worker whose parent was killed would wait for work for ever."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _encode_there(batch: _Batch) -> _Found:
    return _encode(batch, *_there)
