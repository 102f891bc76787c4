"""A sketch of code: enough of its lines, hashed, to tell how many two entries have in common.

Of the hashes of all distinct lines the smallest are kept. Which those are is up to chance and not
to the order or the number of files, so the share of them that two sketches have in common estimates
the share of lines; where the code has no more lines than are kept, it is exact. The hash is no
secret, and who renames a variable on each line has another sketch: it finds what was copied as it
stands, proves nothing, and nothing is charged for it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from harness.contest.submission import MANIFEST
from harness.models import Fact
from harness.source_code.grammar import parse
from harness.source_code.imports import LARGEST_PARSED_BYTES
from harness.source_code.unpacking import MOST_LAYERS, unpack

KEPT = 128
_DIGITS = 8
_MOST_BYTES = 8 << 20


class Sketch(Fact):
    """How many distinct ``lines`` there are, and the smallest of their hashes, in order."""

    lines: int = Field(ge=0)
    smallest: Annotated[str, Field(pattern=rf"^([0-9a-f]{{{_DIGITS}}}){{0,{KEPT}}}$")]

    @property
    def hashes(self) -> frozenset[str]:
        """The hashes that are kept."""
        text = self.smallest
        return frozenset(text[at : at + _DIGITS] for at in range(0, len(text), _DIGITS))


def sketch_of(files: Mapping[str, bytes]) -> Sketch:
    """The sketch of an entry's code.

    All files that are text count, but not the settings, which name the author; of a script that
    unpacks itself, what comes out too. White space at the ends of a line does not, nor do empty
    lines and lines that hold nothing but a comment.

    Args:
        files: contents by name; at most 8 MiB of them are looked at.
    """
    lines: set[bytes] = set()
    left = _MOST_BYTES
    for name, content in sorted(files.items()):
        if name == MANIFEST or b"\0" in content or not _is_text(content):
            continue
        for source in _sources(name, content):
            lines.update(_lines(source[:left]))
            left -= min(left, len(source))
    hashes = sorted({hashlib.sha256(line).hexdigest()[:_DIGITS] for line in lines})
    return Sketch(lines=len(lines), smallest="".join(hashes[:KEPT]))


def share_of_its_own(one: Sketch, other: Sketch) -> float:
    """The share of the distinct lines of ``one`` that ``other`` does not have, as estimated.

    1 where one of both has no lines at all.
    """
    if not one.lines or not other.lines:
        return 1.0
    union = sorted(one.hashes | other.hashes)
    if max(one.lines, other.lines) > KEPT:
        # Beyond its last kept hash a sketch says nothing; the smallest of all lines are known.
        union = union[:KEPT]
    both = one.hashes & other.hashes
    alike = sum(each in both for each in union) / len(union)
    common = alike * (one.lines + other.lines) / (1 + alike)
    return max(0.0, round(1 - common / one.lines, 9))  # 5 lines of 100 are 0.05, and no less


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _lines(source: bytes) -> Iterator[bytes]:
    for line in source.split(b"\n"):
        bare = b" ".join(line.split())
        if bare and not bare.startswith(b"#"):
            yield bare


def _sources(name: str, content: bytes) -> Iterator[bytes]:
    """The text of a file and, of a script that unpacks itself, all that comes out."""
    layer = [content]
    for _ in range(MOST_LAYERS):
        yield from layer
        layer = [found for source in layer for found in _unpacked(name, source)]
    yield from layer


def _unpacked(name: str, source: bytes) -> list[bytes]:
    if not name.endswith(".py") or b"exec" not in source or len(source) > LARGEST_PARSED_BYTES:
        return []
    try:
        return unpack(parse(source))
    except ValueError:  # no Python, or hidden
        return []
