"""Putting functions in the place of others, such that who looks at them finds what was there."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any


def replace(owner: Any, name: str, new: Callable[..., Any]) -> None:
    """Put ``new`` in the place of ``owner.name``, with its name, attributes and signature.

    torch looks at functions later: dynamo reads ``__wrapped__`` and ``__code__`` of some.
    """
    old = getattr(owner, name, None)
    if old is not None:
        with contextlib.suppress(AttributeError, TypeError):
            functools.update_wrapper(new, old)
    setattr(owner, name, new)


def around(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace ``owner.name`` by what ``make`` makes of it; nothing where there is none."""
    old = getattr(owner, name, None)
    if old is not None:
        replace(owner, name, make(old))


class NotStoodInForError(RuntimeError):
    """A script wants something of CUDA that a rehearsal has nothing for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"not in the rehearsal's stand-in for CUDA: {name}")
