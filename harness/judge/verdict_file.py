"""A verdict as a file that came from elsewhere: read within bounds, refused when it makes no sense.

Whoever can write such a file can write a false one: what is checked here is that it contradicts
neither itself nor the rules. A verdict to build on is judged again from its evidence.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.contest.track import problems_of
from harness.errors import UsageError
from harness.judge.contradictions import contradictions
from harness.judge.verdict import Verdict
from harness.safeio.files import sha256_of_bytes

LARGEST_VERDICT_BYTES = 1 << 20
_DEEPEST = 12
_LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class PublishedVerdict:
    """A verdict, and the SHA-256 of the file that it was read from."""

    verdict: Verdict
    sha256: str


def read_verdict(path: Path) -> PublishedVerdict:
    """Read a verdict's JSON file.

    Raises:
        UsageError: no such file, larger than ``LARGEST_VERDICT_BYTES``, not a verdict, or one
            that contradicts itself.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_VERDICT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > LARGEST_VERDICT_BYTES:
        raise UsageError(f"{path}: larger than {LARGEST_VERDICT_BYTES:,} bytes; not a verdict")
    try:
        _check_shape(content)
        verdict = Verdict.model_validate_json(content)
    except ValidationError as error:
        problems = "; ".join(problems_of(error)[:5])
        raise UsageError(f"{path}: not a verdict of this harness: {problems}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a verdict: {error}") from error
    if found := contradictions(verdict):
        raise UsageError(f"{path}: a verdict that contradicts itself: {'; '.join(found[:5])}")
    return PublishedVerdict(verdict=verdict, sha256=sha256_of_bytes(content))


def _check_shape(content: bytes) -> None:
    """Depth and length of texts, before a model is made of them.

    Raises:
        ValueError: not UTF-8, not JSON, nested deeper or with longer texts than any verdict.
    """
    level = [json.loads(content.decode("utf-8"))]
    for _ in range(_DEEPEST):
        if any(isinstance(value, str) and len(value) > _LONGEST_TEXT for value in level):
            raise ValueError(f"a text of more than {_LONGEST_TEXT:,} characters")
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise ValueError(f"nested more than {_DEEPEST} levels deep")


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []
