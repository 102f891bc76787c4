"""The process that reads an untrusted tokenizer, so that a crash or a hang affects nothing else.

It is started by ``normalizing_process.py`` with a request on its command line and the file on
stdin; it reports its result on stdout, one JSON object per line. The normal form is made without
the C++ library: what is handed over was made by our code alone. Only where a trial was asked for
does the library then read the file that our code built, and never one with a table of a stranger's.
"""

import os
import resource
import sys
import threading
from pathlib import Path

from harness.data.format.documents import read_documents, text_bytes
from harness.data.format.normal_form import normal
from harness.data.format.tokenizers import TokenizerError, parse_tokenizer
from harness.errors import InfrastructureError
from harness.run.normalizing_process import Order, Trial, Word, has_known_table


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
        found = normal(model)
        parts = found.model, found.serialized
        lost = ""
        if order.trial is not None and has_known_table(found.serialized):
            lost = _lost(found.model, order.trial)
    except MemoryError:
        _say(_short_of_memory(order.enough_bytes))
    except TokenizerError as error:
        _say(Word(kind="rejected", text=error.detail[:2000]))
    except InfrastructureError as error:  # the documents of the trial
        _say(Word(kind="ours", text=error.message[:4000], remedy=error.remedy[:1000]))
    else:
        _say(Word(kind="done", text=lost[:4000], sizes=tuple(len(part) for part in parts)))
        sys.stdout.buffer.write(b"".join(parts))
        sys.stdout.buffer.flush()


def _lost(model: bytes, trial: Trial) -> str:
    """The first document that does not come back from its tokens, and where; empty if all do."""
    tokenizer, left = parse_tokenizer(model), trial.most_bytes
    for number, text in enumerate(read_documents(Path(trial.documents)), start=1):
        problem = tokenizer.mismatch(tokenizer.encode(text), text)
        if problem:
            return f"{number}: {problem}"
        left -= text_bytes(text)
        if left < 0:
            break
    return ""


def _short_of_memory(enough_bytes: int) -> Word:
    """Report a lack of memory: their fault, unless an honest tokenizer might need what is free."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    problem = f"needs more memory than {most / (1 << 30):.1f} GiB to be read"
    if most < enough_bytes:
        return Word(
            kind="ours",
            text=f"the tokenizer {problem}, and no more can be had here",
            remedy=f"see that {2 * enough_bytes >> 30} GiB of memory are left, and try again",
        )
    return Word(kind="rejected", text=problem)


def _limit(order: Order) -> None:
    """Set the limits before any of the model is read."""
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
