"""What an entry brings along besides its artifact, bounded by its compressed size.

Weights that were made beforehand, for as long as anybody likes, can come as a file of the entry,
in a literal, in a docstring, in numbers, in white space, in a picture, in the names of files or in
a variable; no list of forms is ever whole, and none is needed. Everything that the entry's author
chose and its code can see is a function of one sequence of bytes, the :func:`container`. A fixed
compressor makes ``n`` bytes of it, from which it can be had again: so whatever the code holds, in
whatever form, it is one of ``256 ** n`` things at most, and tells ``8 n`` bits of anything at most.
What is packed already does not become smaller, what is plain becomes as small as if it had been
packed: both are treated alike, and nothing has to be unpacked.

``8 n`` bits are also the most that it can save on a text that its author knew. Take the mixture of
the models of all containers, each weighted by ``256 ** -n`` of its own size (a compressed stream
says itself where it ends, so the weights sum to 1 at most): it knew nothing of the text, looks
ahead as little as each of them, and costs at most ``8 n`` bits more than the best of them.

What reaches the code by another way than the container is listed in ``docs/brought_along.md``.
"""

import json
import lzma
import math
from collections.abc import Iterator, Mapping

from pydantic import Field

from harness.contest.entry import Entry, FileName
from harness.contest.track import BroughtAlong
from harness.models import Fact, Later
from harness.safeio.files import sha256_of_bytes

COMPRESSED_BYTES = 1 << 22
"""So much of a content is compressed, what lies beyond counts in full: seconds at the worst."""
_FILTERS = [
    {
        "id": lzma.FILTER_LZMA2,
        "preset": 9 | lzma.PRESET_EXTREME,
        # As much as is compressed; the preset's own 64 MiB only take more memory.
        "dict_size": COMPRESSED_BYTES,
    }
]
_TITLE = b"brought along, container 1\n"
# Encoders of two versions of liblzma need not write the same bytes.
_RELATIVE_TOLERANCE, _TOLERANCE_BYTES = 0.01, 64


class FileWeight(Fact):
    """A file, and what the compressor makes of it when it is alone."""

    name: FileName
    bytes: int = Field(ge=0)
    compressed_bytes: int = Field(ge=0)


class Brought(Fact):
    """What an entry brings along, fixed before its first run.

    ``bytes`` is the compressed size of the container, ``container_sha256`` the digest of the
    container itself. ``files`` tell a person where it comes from: those in the container, each
    compressed by itself. ``tokenizer_bytes`` is the compressed size of the model file of the
    entry's own tokenizer, which is not in the container.
    """

    bytes: int = Field(ge=0)
    container_sha256: str
    files: tuple[FileWeight, ...]
    tokenizer_bytes: Later[int] = None


def brought_along(entry: Entry, contents: Mapping[str, bytes]) -> Brought:
    """Weigh what an entry brings.

    Args:
        entry: as it holds on the track.
        contents: its files by name, in whatever order; exactly those that it names.
    """
    whole = container(entry, contents)
    model = _tokenizer_model(entry)
    return Brought(
        bytes=compressed_bytes(whole),
        container_sha256=sha256_of_bytes(whole),
        files=tuple(
            FileWeight(name=name, bytes=len(content), compressed_bytes=compressed_bytes(content))
            for name, content in _files(entry, contents)
        ),
        tokenizer_bytes=None if model is None else compressed_bytes(contents[model]),
    )


def container(entry: Entry, contents: Mapping[str, bytes]) -> bytes:
    """Everything that an entry's author chose and its code can see, in one canonical form.

    Files by name, name and content each behind its length; then the settings as JSON. Modes,
    times, owners and order of files are the referee's (he writes them himself, each in the same
    way), so they are not in it. The model of its own tokenizer is left out: what of it the code is
    shown is weighed apart.
    """
    parts = [_TITLE]
    for name, content in _files(entry, contents):
        for part in (name.encode(), content):
            parts += [len(part).to_bytes(8, "big"), part]
    return b"".join([*parts, _settings(entry)])


def compressed_bytes(content: bytes) -> int:
    """The size that the fixed compressor makes of a content, in bytes."""
    head, beyond = content[:COMPRESSED_BYTES], len(content[COMPRESSED_BYTES:])
    return len(lzma.compress(head, format=lzma.FORMAT_RAW, filters=_FILTERS)) + beyond


def counted_bytes(brought: Brought, allowed: BroughtAlong, *, normal_form_bytes: int | None) -> int:
    """What is held against limit and allowance: container and tokenizer, less what that has free.

    ``normal_form_bytes``: compressed size of the tokenizer's normal form, where it has one and its
    code is shown nothing else; the file itself is counted where it is None.
    """
    tokenizer = tokenizer_bytes(brought, normal_form_bytes=normal_form_bytes)
    return brought.bytes + max(0, tokenizer - allowed.tokenizer_free_bytes)


def tokenizer_bytes(brought: Brought, *, normal_form_bytes: int | None) -> int:
    """Compressed bytes of the tokenizer's model as the code is shown it; 0 without one."""
    if brought.tokenizer_bytes is None:
        return 0
    return brought.tokenizer_bytes if normal_form_bytes is None else normal_form_bytes


def in_words(counted: int, *, free_bytes: int, limit_bytes: int) -> str:
    """What is brought along beside what may be: ``19.0 kB of 24.6 kB free``."""
    if counted > limit_bytes:
        return "{}, more than the {} allowed".format(*_kilobytes(counted, limit_bytes))
    if counted > free_bytes:
        return "{}, more than the {} free".format(*_kilobytes(counted, free_bytes))
    return "{} of {} free".format(*_kilobytes(counted, free_bytes))


def _kilobytes(one: int, other: int) -> tuple[str, str]:
    """Two sizes, with as many decimals as it takes to show which one is larger."""
    decimals = next((d for d in (1, 2) if round(one / 1000, d) != round(other / 1000, d)), 3)
    decimals = 1 if one == other else decimals
    return f"{one / 1000:,.{decimals}f} kB", f"{other / 1000:,.{decimals}f} kB"


def contradicted(kept: Brought, again: Brought) -> str:
    """The first figure that is not what was weighed again; empty where all are.

    The container must be the same to the byte. Its size may differ as two versions of the
    compressor do.
    """
    if kept.container_sha256 != again.container_sha256:
        return "container_sha256"
    if [file.name for file in kept.files] != [file.name for file in again.files]:
        return "files"
    pairs = [
        ("bytes", kept.bytes, again.bytes),
        ("tokenizer_bytes", kept.tokenizer_bytes, again.tokenizer_bytes),
        *(
            (f"files.{one.name}", one.compressed_bytes, other.compressed_bytes)
            for one, other in zip(kept.files, again.files, strict=True)
        ),
    ]
    sizes = zip(kept.files, again.files, strict=True)
    wrong = [name for name, one, other in pairs if not _alike(one, other)]
    wrong += [f"files.{one.name}" for one, other in sizes if one.bytes != other.bytes]
    return wrong[0] if wrong else ""


def _alike(one: int | None, other: int | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_RELATIVE_TOLERANCE, abs_tol=_TOLERANCE_BYTES)


def _files(entry: Entry, contents: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    model = _tokenizer_model(entry)
    names = sorted(file.name for file in entry.files)
    return ((name, contents[name]) for name in names if name != model)


def _tokenizer_model(entry: Entry) -> str | None:
    """A tokenizer that is code reads its file as it likes: that one is a file like any other."""
    return entry.tokenizer.file if entry.tokenizer.kind == "model" else None


def _settings(entry: Entry) -> bytes:
    """What the author chose of how the code is called; what is as it is by default is left out.

    The folder's name is among it: a container sees it in the list of its mounts. Author and name
    of an entry are not: its code sees them in ``submission.toml`` alone, which is a file. The
    order of variables stays as it is, since the code sees that too.
    """
    fields = entry.model_dump(
        mode="json", include={"folder", "tokenizer", "train", "score"}, exclude_defaults=True
    )
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
