"""The few models that every room speaks in."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["pass", "fail", "unknown"]


class Fact(BaseModel):
    """Base of all that is stored: immutable, and a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
