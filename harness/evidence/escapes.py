"""Known escapes: what a host's own parts let out, as far as the numbers of their versions tell.

A number alone proves nothing: distributions repair an old version without changing it. So the
referee may vouch for a version, by name, and the evidence says that it rests on this word.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from pydantic import Field

from harness.models import Fact

VOUCHING = "HARNESS_REPAIRED"
"""The environment variable in which the referee vouches, on each host for its own parts."""
MOST = 100


class KnownEscape(Fact):
    """A known escape that a part of a host has by the number of its version.

    ``id`` is the CVE's, ``component`` the part as its engine names it, ``version`` as found with
    the distribution's own revision, ``repaired_in`` the first good version of each branch that was
    repaired. ``vouched``: the referee says that this very version was repaired under its number.
    """

    id: str = Field(min_length=1, max_length=40)
    component: str = Field(min_length=1, max_length=80)
    version: str = Field(max_length=80)
    repaired_in: tuple[str, ...] = Field(default=(), max_length=20)
    vouched: bool = False


def unvouched(found: Sequence[KnownEscape] | None) -> tuple[KnownEscape, ...]:
    """Those that nobody vouches for; none where nobody looked."""
    return tuple(escape for escape in found or () if not escape.vouched)


def in_words(escapes: Iterable[KnownEscape], *, remedies: bool = True) -> str:
    """Part, version and CVEs; with ``remedies`` also the versions that repair them."""
    parts = []
    for (component, version), group in groupby(escapes, key=lambda it: (it.component, it.version)):
        phrases = []
        for repaired, alike in groupby(group, key=lambda it: it.repaired_in if remedies else ()):
            ids = ", ".join(escape.id for escape in alike)
            phrases.append(f"{ids} (repaired in {' and '.join(repaired)})" if repaired else ids)
        parts.append(f"{component} {version}: {', '.join(phrases)}")
    return "; ".join(parts)


def vouching_line(escapes: Iterable[KnownEscape]) -> str:
    """What the referee sets who knows that these were repaired under the same number.

    All of a host belong into it, those included that he vouches for already: he sets it anew.
    """
    return f"{VOUCHING}='{in_words(escapes, remedies=False)}'"
