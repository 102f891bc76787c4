"""Encodes texts on all cores, in order; the result does not depend on the number of workers."""

import collections
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import numpy as np

from harness.data.format.manifest import TextRule
from harness.data.format.shards import Tokens
from harness.data.format.tokenizers import AnyTokenizer, TokenizerError, parse_tokenizer
from harness.errors import InfrastructureError

BATCH_CHARACTERS = 1 << 18
ALONE_BATCHES = 32
"""Batches that one process does before it calls for help; starting helpers takes a second."""
WAITING_BATCHES = 4
"""Batches in flight for each worker: bounds memory, whatever the size of the corpus."""
MOST_TOKENS_PER_CHARACTER = 64
"""A character is at most 4 bytes; the one that NFKC makes most of becomes 33."""
CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGXCPU}
)
"""Signals by which a process dies of the tokenizer it was given; SIGKILL may be the machine's."""


class TokenizerMemoryError(TokenizerError):
    """Tokenizing a document needs more memory than a process may have."""


@dataclass(frozen=True)
class Encoded:
    """A batch of consecutive documents.

    Attributes:
        raw: the texts as they came.
        texts: the texts that decoded tokens must equal: ``raw``, or ``raw`` after the tokenizer's
        own normalization.
        tokens: uint16[N], one stream, BOS before each document.
        problems: why a document's tokens do not decode to its text, by its index in the batch.
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
    """Encode ``documents`` in order, and decode the tokens again to compare the texts.

    Args:
        documents: read ahead by at most a few batches for each worker.
        tokenizer: its ``model`` is sent to the workers.
        text: which text the tokens must decode to.
        published: the same documents before they were normalized, if they were. Normalizing twice
        does not always give the same as normalizing once (NFKC may compose what it decomposed
        before), so a tokenizer that normalizes may restore a document only if it encodes the
        published text: that is tried first.
        workers: number of processes; one for each core if not given. A small corpus needs none.

    A worker that is killed, for example by a kernel short of memory, only costs time: the
    unfinished batches are done again by a single worker.

    Raises:
        TokenizerError: the tokenizer fails on a document, or crashes; its subclass
        :class:`TokenizerMemoryError` if memory ran out.
        InfrastructureError: a process was killed twice.
    """
    workers = workers or len(os.sched_getaffinity(0))
    batches = _batches(
        ((document, None) for document in documents)
        if published is None
        else zip(documents, published, strict=True)
    )
    done = 0
    for batch, found in _results(batches, tokenizer, text, workers):
        if found.failure is not None:
            place = found.failure.place
            begins = ascii(batch[place][0][:20])
            kind = TokenizerMemoryError if found.failure.memory else TokenizerError
            raise kind(
                f"{found.failure.problem}, on document {done + place + 1}, which begins {begins}",
                remedy="use another tokenizer, or leave the document out",
            )
        done += len(batch)
        yield found.of(batch)


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
class _Failure:
    place: int
    problem: str
    memory: bool


@dataclass(frozen=True)
class _Found:
    """The result of a worker; texts are included only where they differ from its input."""

    tokens: Tokens
    changed: dict[int, str] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    failure: _Failure | None = None

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
        try:
            text = document if rule == "raw" else tokenizer.normalized(document)
            tokens, problem = _tokens(document, published, text, tokenizer)
        except Exception as error:  # noqa: BLE001 - a C++ library fails in many ways
            return _Found(np.empty(0, np.uint16), failure=_failure(place, error))
        if text != document:
            changed[place] = text
        if problem:
            problems[place] = problem
        pieces += bos, tokens
    return _Found(tokens=np.concatenate(pieces), changed=changed, problems=problems)


def _tokens(
    document: str, published: str | None, text: str, tokenizer: AnyTokenizer
) -> tuple[Tokens, str]:
    """A document's tokens, and why they do not decode to ``text``, if they do not."""
    problem = ""
    for given in (document,) if published is None else (published, document):
        tokens = tokenizer.encode(given)
        if len(tokens) > MOST_TOKENS_PER_CHARACTER * (len(given) + 1):
            raise ValueError(f"{len(tokens):,} tokens for {len(given):,} characters")
        problem = tokenizer.mismatch(tokens, text)
        if not problem:
            break
    return tokens, problem


def _failure(place: int, error: Exception) -> _Failure:
    # The library reports a lack of memory only in the text of some errors.
    if isinstance(error, MemoryError) or "bad_alloc" in str(error):
        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        than = "there is" if most == resource.RLIM_INFINITY else f"{most / (1 << 30):.1f} GiB"
        return _Failure(place, f"needs more memory than {than}", memory=True)
    return _Failure(place, f"fails: {' '.join(str(error).split())[:200]}", memory=False)


def _results(
    batches: Iterator[_Batch], tokenizer: AnyTokenizer, rule: TextRule, workers: int
) -> Iterator[tuple[_Batch, _Found]]:
    for batch in itertools.islice(batches, ALONE_BATCHES) if workers > 1 else batches:
        yield batch, _encode(batch, tokenizer, rule)
    for first in batches:
        left = yield from _in_parallel(itertools.chain([first], batches), tokenizer, rule, workers)
        # The limit for one worker may be below the available memory, and the sum of all limits
        # above it.
        if left and (yield from _in_parallel(iter(left), tokenizer, rule, 1)):
            raise InfrastructureError(
                "a process that tokenizes was ended from outside, and again when it was alone",
                remedy="see that there is memory left; try --workers 1",
            )


def _in_parallel(
    batches: Iterator[_Batch], tokenizer: AnyTokenizer, rule: TextRule, workers: int
) -> Generator[tuple[_Batch, _Found], None, list[_Batch]]:
    """Encode in worker processes; returns the unfinished batches if one of them was killed."""
    with _safe_path():  # a process that keeps count of semaphores starts with the first of them
        pool = ProcessPoolExecutor(
            workers,
            # A fork would copy the locks of our other threads, in whatever state they are.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(tokenizer.model, rule),
        )
    before = set(multiprocessing.active_children())
    waiting: collections.deque[tuple[_Batch, Future[_Found]]] = collections.deque()

    def hand_out(most: int) -> None:
        for batch in itertools.islice(batches, most):
            try:
                found = pool.submit(_encode_there, batch)
            except BrokenProcessPool as error:
                found = Future()
                found.set_exception(error)
            waiting.append((batch, found))

    helpers: set[multiprocessing.process.BaseProcess] = set()
    try:
        with _safe_path():  # all workers are started with the first batch
            hand_out(workers * WAITING_BATCHES)
        helpers = set(multiprocessing.active_children()) - before
        while waiting:
            oldest, found = waiting[0][0], waiting[0][1].result()
            waiting.popleft()
            hand_out(1)
            yield oldest, found
    except BrokenProcessPool:
        pool.shutdown()  # and they have all ended
        codes = {-(helper.exitcode or 0) for helper in helpers}
        if crashes := sorted(codes & CRASHES):
            raise TokenizerError(
                _how_it_crashes(crashes[0]), remedy="use another tokenizer"
            ) from None
    finally:
        pool.shutdown(cancel_futures=True)
    return [batch for batch, _ in waiting]


def _how_it_crashes(number: int) -> str:
    """What the signal that killed a tokenizing process says about its tokenizer."""
    if number == signal.SIGXCPU:
        most = resource.getrlimit(resource.RLIMIT_CPU)[0]
        return f"needs more than {most} s of processor time"
    return f"ends the library that reads it with {signal.Signals(number).name}"


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Keep processes started in this block from importing from the working directory.

    It may be a submission, whose ``multiprocessing.py`` we must not run.
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
    """Set up a worker; called once in each."""
    global _there  # noqa: PLW0603 - a worker has no other place for what it is told once
    _there = parse_tokenizer(model), rule
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # our parent handles Ctrl-C
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """End with the parent: a worker whose parent was killed would wait for work forever."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _encode_there(batch: _Batch) -> _Found:
    return _encode(batch, *_there)
