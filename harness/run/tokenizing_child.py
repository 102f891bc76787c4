"""The process that loads an untrusted tokenizer, so that a crash or a hang affects nothing else.

It is started by ``tokenizing_process.py`` with a request on its command line and the model on
stdin; it reports its progress and its result on stdout, one JSON object per line. The normal form
is made without the C++ library: what is handed over was made by our code alone.
"""

import os
import resource
import sys
import threading
from pathlib import Path

from harness.data.build.building import TextLost, build_dataset
from harness.data.build.encoding import TokenizerMemoryError
from harness.data.format.documents import DocumentFiles
from harness.data.format.normal_form import normal
from harness.data.format.tokenizers import TokenizerError
from harness.errors import InfrastructureError
from harness.run.tokenizing_process import Order, Texts, Word


def main() -> None:
    """Do what was requested; every outcome is a line on stdout and exit code 0."""
    order = Order.model_validate_json(sys.argv[1])
    _limit(order)
    model = sys.stdin.buffer.read(order.model_bytes)
    if len(model) < order.model_bytes:  # our parent has ended
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    parts: tuple[bytes, ...] = ()
    try:
        if order.texts is None:
            found = normal(model)
            parts = found.model, found.serialized
        else:
            _build(order.texts, model)
    except TextLost as error:
        problem = f"validation document {error.document} does not come back: {error.problem}"
        _say(Word(kind="rejected", text=problem[:2000], document=error.document))
    except (MemoryError, TokenizerMemoryError) as error:
        _say(_short_of_memory(error, order.enough_bytes))
    except TokenizerError as error:
        _say(Word(kind="rejected", text=error.detail[:2000]))
    except InfrastructureError as error:
        _say(Word(kind="ours", text=error.message[:2000], remedy=error.remedy[:500]))
    else:
        _say(Word(kind="done", sizes=tuple(len(part) for part in parts)))
        sys.stdout.buffer.write(b"".join(parts))
        sys.stdout.buffer.flush()


def _build(texts: Texts, model: bytes) -> None:
    build_dataset(
        DocumentFiles([Path(path) for path in texts.train_documents]),
        DocumentFiles([Path(texts.validation_documents)]),
        model,
        Path(texts.destination),
        source=texts.source,
        tokenizer_name=texts.tokenizer_name,
        most_tokens=texts.most_tokens,
        published_val=DocumentFiles([Path(texts.published_documents)])
        if texts.published_documents
        else None,
        replace=True,
        progress=lambda what, done, total: _say(
            Word(kind="progress", text=what, done=done, total=total)
        ),
    )


def _short_of_memory(error: MemoryError | TokenizerMemoryError, enough_bytes: int) -> Word:
    """Report a lack of memory: their fault, unless an honest tokenizer might need what is free."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    problem = f"needs more memory than {most / (1 << 30):.1f} GiB"
    if isinstance(error, TokenizerMemoryError):
        problem = error.message
    if most < enough_bytes:
        return Word(
            kind="ours",
            text=f"tokenizing {problem[:1900]}, and no more can be had here",
            remedy=f"see that {2 * enough_bytes >> 30} GiB of memory are left, and try again",
        )
    return Word(kind="rejected", text=problem[:2000])


def _limit(order: Order) -> None:
    """Set the limits before any of the model is read; processes that we start inherit them."""
    for what, most in (
        (resource.RLIMIT_CPU, order.cpu_seconds),
        (resource.RLIMIT_AS, order.address_space_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, hard))


def _end_with_parent() -> None:
    """End when stdin ends: a killed harness cannot stop us in any other way."""
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    os._exit(1)


def _say(word: Word) -> None:
    print(word.model_dump_json(), flush=True)
