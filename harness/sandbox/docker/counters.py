"""Which counters of the kernel a phase does not see: our own list, read from ``counters.toml``.

The engine hides a few files of ``/proc`` and ``/sys`` by itself, those that harm the machine. Ours
hides what counts for the whole machine, because two sandboxes could speak by it. The engine takes
the list with the container, and is asked back. What is hidden below ``/sys`` differs from machine
to machine, so patterns are matched with what is there.
"""

import fnmatch
import os
from functools import cache
from pathlib import Path

from pydantic import Field

from harness.models import Fact
from harness.sandbox.docker.shipped import shipped

_FILE = "counters.toml"


class Only(Fact):
    """A directory of which only some entries stay; more where there are accelerators."""

    place: str = Field(pattern=r"^/sys(/|$)")
    keep: tuple[str, ...] = Field(min_length=1)
    with_accelerators: tuple[str, ...] = ()
    reason: str = Field(min_length=1)


class Named(Fact):
    """Directories of these names, wherever they lie below one of these."""

    below: tuple[str, ...]
    names: tuple[str, ...]
    reason: str = Field(min_length=1)


class Counters(Fact):
    """The list as data; lines map paths, separated by spaces, to the reason."""

    hidden: dict[str, str]
    only: tuple[Only, ...]
    without_accelerators: dict[str, str]
    with_accelerators: Named
    read_only: dict[str, str]


@cache
def counters() -> Counters:
    """Our list.

    Raises:
        InfrastructureError: the file that came with the harness is damaged.
    """
    return shipped(_FILE, Counters)


@cache
def masked_paths(*, accelerators: bool) -> tuple[str, ...]:
    """What a phase does not see, on this machine; ``accelerators``: its libraries look for some."""
    listed = counters()
    lines = [*listed.hidden, *(() if accelerators else listed.without_accelerators)]
    found = {path for line in lines for pattern in line.split() for path in _matching(pattern)}
    for only in listed.only:
        keep = (*only.keep, *(only.with_accelerators if accelerators else ()))
        found |= {
            f"{only.place}/{name}"
            for name in _entries(only.place)
            if not any(fnmatch.fnmatch(name, kept) for kept in keep)
        }
    if accelerators:
        named = listed.with_accelerators
        for pattern in named.below:
            for top in _matching(pattern):
                for place, below, _ in os.walk(top):
                    hidden = [name for name in below if name in named.names]
                    found |= {f"{place}/{name}" for name in hidden}
                    below[:] = [name for name in below if name not in hidden]
    return tuple(sorted(found))


def read_only_paths() -> tuple[str, ...]:
    """What a phase sees and may not write to, as the engine has it by itself."""
    return tuple(path for line in counters().read_only for path in line.split())


def _matching(pattern: str) -> list[str]:
    """A path as it is, there or not; a pattern as what there is of it."""
    if "*" not in pattern:
        return [pattern]
    return [str(path) for path in Path("/").glob(pattern.removeprefix("/"))]


def _entries(place: str) -> list[str]:
    """What lies in a directory, but for links: what they lead to is hidden by its own path."""
    try:
        return [entry.name for entry in os.scandir(place) if not entry.is_symlink()]
    except OSError:
        return []
