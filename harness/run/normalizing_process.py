"""The parent's side of the process that reads an untrusted tokenizer, and makes its normal form.

Our own parser reads it, without the C++ library, in a child with limits on memory and processor
time (``normalizing_child.py``). It gets its request on the command line and the file on stdin, and
leaves no file.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Literal

from pydantic import Field

from harness.data.build.encoding import CRASHES
from harness.errors import InfrastructureError
from harness.models import Fact
from harness.package import PACKAGE
from harness.safeio.memory import available_bytes
from harness.safeio.parsing import parse_model
from harness.safeio.text import plain

CPU_SECONDS = 120
ADDRESS_SPACE_BYTES = 16 << 30
"""Most that the process may have: half of what the machine has left, if less."""
ENOUGH_BYTES = 4 << 30
"""More than our part of the work takes and an honest tokenizer's: who needs more is at fault."""
# With -P, and so not with -m: the working directory may be a submission that has a numpy.py.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from harness.run.normalizing_child import main; main()"
)
_LINE_BYTES = 1 << 16
_LARGEST_PART_BYTES = 64 << 20


class Trial(Fact):
    """Documents that are to come back from the tokens of the normal form, ``most_bytes`` of text.

    ``documents`` is a file of them, absolute.
    """

    documents: str
    most_bytes: int


class Order(Fact):
    """What the child may use to bring a file of ``model_bytes`` to normal form.

    With ``trial`` it also tries that form, with the C++ library, where its table is a known one.
    """

    model_bytes: int
    cpu_seconds: int
    address_space_bytes: int
    enough_bytes: int
    trial: Trial | None = None


class Word(Fact):
    """The line of the child's output; the parts that it made follow, with ``sizes`` bytes each.

    ``text`` says why it was not ``done``; with it, which document of a trial did not come back.
    """

    kind: Literal["done", "rejected", "ours"]
    text: str = Field(default="", max_length=4000)
    remedy: str = Field(default="", max_length=1000)
    sizes: tuple[int, ...] = Field(default=(), max_length=2)


@dataclass(frozen=True)
class Answer:
    """The child's line, and the parts that it handed over."""

    word: Word
    parts: tuple[bytes, ...] = ()


def has_known_table(serialized: bytes) -> bool:
    """Whether a normal form's table is one of SentencePiece's own, or it has none.

    A table is an array in which the library follows offsets: a stranger's is read in sandboxes
    alone.
    """
    return b" table=" not in serialized.partition(b"\n")[0]


def ask(model: bytes, trial: Trial | None = None) -> Answer:
    """Let a child bring ``model`` to normal form; returns its answer, or what its crash says.

    With ``trial`` the form is tried too.

    Raises:
        InfrastructureError: our side failed, or the child was killed from outside.
    """
    order = Order(
        model_bytes=len(model),
        cpu_seconds=CPU_SECONDS,
        address_space_bytes=min(ADDRESS_SPACE_BYTES, available_bytes() // 2),
        enough_bytes=ENOUGH_BYTES,
        trial=trial,
    )
    answer: Answer | None = None
    with tempfile.TemporaryFile() as errors, _child(order, errors) as child:
        # On our side: a child that our machine starves is not the submission's fault.
        watchdog = threading.Timer(600 + 20 * order.cpu_seconds, _end, [child])
        watchdog.daemon = True
        watchdog.start()
        try:
            _hand_over(child, model)
            answer = _answer(child)
            code = child.wait()
        finally:
            watchdog.cancel()
        errors.seek(max(errors.tell() - 2000, 0))
        said = errors.read().decode(errors="replace").strip().splitlines()
    if answer is not None and answer.word.kind == "ours":
        raise InfrastructureError(
            plain(answer.word.text, 1000), remedy=plain(answer.word.remedy, 500)
        )
    if answer is not None and code == 0:
        return answer
    if -code in CRASHES:
        how = (
            f"needs more than {order.cpu_seconds} s of processor time"
            if -code == signal.SIGXCPU
            else f"ends the process that does it with {signal.Signals(-code).name}"
        )
        return Answer(Word(kind="rejected", text=f"bringing it to its normal form {how}"))
    raise InfrastructureError(
        f"the process that reads the tokenizer ended with code {code}"
        + (f" ({plain(said[-1], 200)})" if said else ""),
        remedy="see that there are memory and disk space left, and try again",
    )


def _hand_over(child: subprocess.Popen[bytes], model: bytes) -> None:
    assert child.stdin is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(BrokenPipeError):  # it has died, and its exit code says why
        child.stdin.write(model)
        child.stdin.flush()


def _answer(child: subprocess.Popen[bytes]) -> Answer | None:
    """The line that it says, with the parts that follow it; None if it says nothing."""
    assert child.stdout is not None  # noqa: S101 - it was asked for
    line = child.stdout.readline(_LINE_BYTES)
    if not line:
        return None
    word = _understood(line)
    return Answer(word, tuple(child.stdout.read(size) for size in word.sizes))


@contextlib.contextmanager
def _child(order: Order, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The child, in a session of its own; it and all its children are killed at the end."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _START, str(PACKAGE.parent), order.model_dump_json()],
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
            "the process that reads the tokenizer said something that makes no sense",
            remedy="try again",
        ) from error
    return word
