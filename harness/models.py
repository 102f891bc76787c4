"""The few models that every room speaks in."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    WrapSerializer,
)
from pydantic_core import CoreSchema, core_schema

Status = Literal["pass", "fail", "unknown"]


class Fact(BaseModel):
    """Base of all that is stored or read: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Exact(Fact):
    """A fact in which a count that is written as a text, or as 1.0, is an error too."""

    model_config = ConfigDict(strict=True)


AnyValue = TypeVar("AnyValue")
Later = Annotated[AnyValue | None, Field(exclude_if=lambda value: value is None)]
"""A field that a stored format got later: not written while it is null, so that what was stored
before is written back byte for byte. Give it the default ``None``."""


@dataclass(frozen=True)
class Spelled:
    """The annotation of a text that people write: it matches ``pattern``, all of it.

    Where it does not, the error says in words what was ``expected``, and shows no pattern.
    """

    pattern: str
    expected: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the text after its type."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The pattern, for programs."""
        return {**handler(schema), "pattern": self.pattern}

    def _checked(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"expected {self.expected}")
        return text


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

    @property
    def place(self) -> str:
        """``file:line``, or the file alone; empty when it is about no file."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file or ""

    @property
    def sentence(self) -> str:
        """All but the place: detail and remedy, and the field before them if it is at fault."""
        at_fault = self.field and self.status != "pass"
        said = f"{self.field}: {self.detail}" if at_fault else self.detail
        return f"{said}; {self.remedy}" if self.remedy else said


def _told(finding: Finding, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
    return {**write(finding), "sentence": finding.sentence}


def _untold(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if key != "sentence"}
    return value


AnyFinding = TypeVar("AnyFinding", bound=Finding)
Told = Annotated[AnyFinding, BeforeValidator(_untold), WrapSerializer(_told)]
"""A finding whose JSON holds its ``sentence`` too, for readers who only show it."""
