"""The parent's side of the process that may handle an untrusted tokenizer.

A model file is parsed by a C++ library, so it is never loaded into this process: a child with
limits on memory and processor time (``tokenizing_child.py``) does that. It gets its request on the
command line and the model on stdin, and leaves no file except those requested.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Literal

from pydantic import Field

from harness.data.build.encoding import CRASHES
from harness.errors import InfrastructureError
from harness.models import Fact
from harness.package import REPOSITORY
from harness.safeio.memory import available_bytes
from harness.safeio.parsing import parse_model
from harness.safeio.text import plain

LEAST_CPU_SECONDS = 120
TEXT_BYTES_PER_CPU_SECOND = 20_000
"""A hundredth of what a usual tokenizer does, encoding and decoding."""
ADDRESS_SPACE_BYTES = 16 << 30
"""Most that a process which tokenizes may have: half of what the machine has left, if less."""
ENOUGH_BYTES = 4 << 30
"""More than our part of the work takes and an honest tokenizer's: who needs more is at fault."""
# With -P, and so not with -m: the working directory may be a submission that has a numpy.py.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from harness.run.tokenizing_child import main; main()"
)
_LINE_BYTES = 1 << 16
_LARGEST_PART_BYTES = 64 << 20
_NOTE_SECONDS = 15.0


class Texts(Fact):
    """Texts from which a dataset is made at ``destination``; all paths as text."""

    train_documents: tuple[str, ...]
    validation_documents: str
    published_documents: str | None
    tokenizer_name: str
    destination: str
    source: str
    most_tokens: int


class Order(Fact):
    """What the child shall do: make a dataset of ``texts``, or bring the model to normal form."""

    model_bytes: int
    texts: Texts | None
    cpu_seconds: int
    address_space_bytes: int
    enough_bytes: int


class Word(Fact):
    """One line of the child's output: its progress, or its result.

    After the last line come the parts that it made, with ``sizes`` bytes each.
    """

    kind: Literal["progress", "done", "rejected", "ours"]
    text: str = Field(default="", max_length=4000)
    remedy: str = Field(default="", max_length=1000)
    document: int | None = Field(default=None, gt=0)
    done: int = 0
    total: int = 0
    sizes: tuple[int, ...] = Field(default=(), max_length=2)


@dataclass(frozen=True)
class Answer:
    """The child's last line, and the parts that it handed over."""

    word: Word
    parts: tuple[bytes, ...] = ()


def ask(
    model: bytes,
    texts: Texts | None = None,
    *,
    text_bytes: int = 0,
    note: Callable[[str], None] = lambda text: None,
) -> Answer:
    """Let a child handle ``model``; returns its last line, or what its crash says.

    Args:
        model: the content of the tokenizer's file.
        texts: the texts to make a dataset of; without them, the model's normal form is wanted.
        text_bytes: how much text that is.
        note: called with its progress.

    Raises:
        InfrastructureError: our side failed, or the child was killed from outside.
    """
    order = Order(
        model_bytes=len(model),
        texts=texts,
        cpu_seconds=LEAST_CPU_SECONDS + text_bytes // TEXT_BYTES_PER_CPU_SECOND,
        address_space_bytes=min(ADDRESS_SPACE_BYTES, available_bytes() // 2),
        enough_bytes=ENOUGH_BYTES,
    )
    answer = Answer(Word(kind="progress"))
    with tempfile.TemporaryFile() as errors, _child(order, errors) as child:
        # On our side: a child that our machine starves is not the submission's fault.
        watchdog = threading.Timer(600 + 20 * order.cpu_seconds, _end, [child])
        watchdog.daemon = True
        watchdog.start()
        try:
            _hand_over(child, model)
            for said_now in _answers(child, note):
                answer = said_now
            code = child.wait()
        finally:
            watchdog.cancel()
        errors.seek(max(errors.tell() - 2000, 0))
        said = errors.read().decode(errors="replace").strip().splitlines()
    if answer.word.kind == "ours":
        raise InfrastructureError(
            plain(answer.word.text, 1000), remedy=plain(answer.word.remedy, 500)
        )
    if answer.word.kind != "progress" and code == 0:
        return answer
    if -code in CRASHES:
        how = (
            f"needs more than {order.cpu_seconds} s of processor time"
            if -code == signal.SIGXCPU
            else f"ends the library that reads it with {signal.Signals(-code).name}"
        )
        return Answer(Word(kind="rejected", text=f"tokenizing the documents with it {how}"))
    raise InfrastructureError(
        f"the process that tokenizes ended with code {code}"
        + (f" ({plain(said[-1], 200)})" if said else ""),
        remedy="see that there are memory and disk space left, and try again",
    )


def _hand_over(child: subprocess.Popen[bytes], model: bytes) -> None:
    assert child.stdin is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(BrokenPipeError):  # it has died, and its exit code says why
        child.stdin.write(model)
        child.stdin.flush()


def _answers(child: subprocess.Popen[bytes], note: Callable[[str], None]) -> Iterator[Answer]:
    """Yield each line, with the parts that follow it."""
    assert child.stdout is not None  # noqa: S101 - it was asked for
    noted = time.monotonic()
    while line := child.stdout.readline(_LINE_BYTES):
        word = _understood(line)
        if word.kind == "progress" and time.monotonic() - noted > _NOTE_SECONDS:
            noted = time.monotonic()
            note(f"{word.text}: {word.done:,} of {word.total:,}")
        parts = tuple(child.stdout.read(size) for size in word.sizes)
        yield Answer(word, parts)


@contextlib.contextmanager
def _child(order: Order, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The child, in a session of its own; it and all its children are killed at the end."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _START, str(REPOSITORY), order.model_dump_json()],
        stdin=subprocess.PIPE,  # a closed stdin tells the child that we have ended
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
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _understood(line: bytes) -> Word:
    try:
        word = parse_model(Word, line, limit_bytes=_LINE_BYTES)
        if any(not 0 <= size <= _LARGEST_PART_BYTES for size in word.sizes):
            raise ValueError("sizes")
    except ValueError as error:
        raise InfrastructureError(
            "the process that tokenizes said something that makes no sense",
            remedy="try again",
        ) from error
    return word
