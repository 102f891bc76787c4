"""Decisions of a human where a rule could not tell: kept beside the evidence, not part of it."""

from typing import Literal

from pydantic import Field

from harness.models import Fact


class Decision(Fact):
    """An unknown that a human settled. A fail can never be settled this way.

    ``rule`` is the id of the rule that could not tell. ``evidence`` is the digest of the evidence
    that the human looked at: for any other evidence the decision does not count.
    """

    format: Literal[2] = 2
    rule: str = Field(max_length=80)
    outcome: Literal["pass", "fail"]
    why: str = Field(min_length=1, max_length=2000)
    who: str = Field(min_length=1, max_length=200)
    at: str = Field(max_length=40)
    evidence: str = Field(pattern=r"^[0-9a-f]{64}$")


class PassedOver(Fact):
    """A decision that settled nothing, and why."""

    decision: Decision
    why: str = Field(max_length=400)
