"""One property of a sandbox: what is expected of it, and the proof that it holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.models import Fact
from harness.safeio.text import plain_line

Told = Mapping[str, Any]
"""What the probes inside tell, by name."""

UNSEEN = ""


@dataclass(frozen=True)
class Expected:
    """What one property of :mod:`harness.evidence.isolation` looks like where it holds.

    ``inside`` puts what the probes tell into words that are compared with ``expected``; so are
    those found from outside under ``id``. ``default_too`` says why a container with the
    engine's defaults may have the property as well; empty when it must not.
    """

    id: str
    flag: str
    expected: str
    inside: Callable[[Told], str] | None = None
    default_too: str = ""


class Proof(Fact):
    """One property: what was expected, what was found, and what a default container gives.

    ``id`` is one of :mod:`harness.evidence.isolation`. ``inside`` or ``outside`` is empty where the
    property cannot be seen from there. ``default_too`` says why a default container may have the
    property as well; empty when it must not.
    """

    id: str
    flag: str
    expected: str
    inside: str
    outside: str
    by_default: str
    default_too: str

    @property
    def holds(self) -> bool:
        """Whether it was seen, and is as expected from wherever it was seen."""
        seen = [text for text in (self.inside, self.outside) if text != UNSEEN]
        return bool(seen) and set(seen) == {self.expected}

    @property
    def matters(self) -> bool:
        """Whether a default container lacks the property."""
        return self.by_default != self.expected

    @property
    def stands(self) -> bool:
        """Whether it holds, and holds because of us or for a reason that is told."""
        return self.holds and (self.matters or bool(self.default_too))


@dataclass(frozen=True)
class Seen:
    """What was told and seen of one phase; ``reported`` counts what the backend read back."""

    told: dict[str, Any]
    outside: dict[str, str]
    reported: int


def proof_of(item: Expected, seen: Seen, default: Seen) -> Proof:
    """One property, from what was told and seen of our phase and of a default one."""
    inside = _words(item, seen.told)
    by_default = _words(item, default.told) or default.outside.get(item.id, UNSEEN)
    return Proof(
        id=item.id,
        flag=item.flag,
        expected=item.expected,
        inside=inside,
        outside=seen.outside.get(item.id, UNSEEN),
        by_default=by_default or "not to be seen",
        default_too=item.default_too,
    )


def _words(item: Expected, told: Mapping[str, Any]) -> str:
    if item.inside is None:
        return UNSEEN
    try:
        return plain_line(item.inside(told), 300)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return "the probe could not tell"
