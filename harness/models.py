"""The few models that every room speaks in."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["pass", "fail", "unknown"]


class Fact(BaseModel):
    """Base of all that is stored or read: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Exact(Fact):
    """A fact in which a count that is written as a text, or as 1.0, is an error too."""

    model_config = ConfigDict(strict=True)


class Finding(Fact):
    """What a rule, a reader or a gate has to say: one question, one answer.

    ``fail`` stands in the way; ``unknown`` is a doubt or a warning. ``detail`` is a sentence for a
    person, ``remedy`` what to do about it. ``file`` is relative to what was looked at, ``line``
    counts from 1, ``field`` is a dotted key. ``measured`` and ``limit`` share ``unit``. Strings may
    come from strangers: whoever shows them bounds and cleans them.
    """

    id: str
    status: Status
    detail: str
    file: str | None = None
    line: int | None = None
    field: str | None = None
    measured: float | int | str | None = None
    limit: float | int | str | None = None
    unit: str = ""
    remedy: str = ""
