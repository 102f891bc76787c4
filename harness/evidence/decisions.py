"""What a human decided where a rule could not: kept beside the evidence, and not of it."""

from typing import Literal

from pydantic import Field

from harness.models import Fact


class Decision(Fact):
    """An unknown settled by hand; a fail never is.

    ``rule`` is the id of the rule that could not tell. ``evidence`` is the digest of the evidence
    that was looked at: a decision about other evidence decides nothing.
    """

    format: Literal[2] = 2
    rule: str = Field(max_length=80)
    outcome: Literal["pass", "fail"]
    why: str = Field(min_length=1, max_length=2000)
    who: str = Field(min_length=1, max_length=200)
    at: str = Field(max_length=40)
    evidence: str = Field(pattern=r"^[0-9a-f]{64}$")
