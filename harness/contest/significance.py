"""The significance that a track asks for: which test, after how many seeds, and what it knows."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.models import Fact, Later


class Look(Fact):
    """A look at the scores after ``runs`` seed runs; the last one ends the verification.

    Accepted if p lies below ``accept_below``; else stopped as hopeless if the mean lies more than
    ``hopeless_above_sd`` of the field's deviations above bar less margin.
    """

    runs: int = Field(ge=1, le=100, strict=True)
    accept_below: float | None = Field(default=None, gt=0, lt=0.5)
    hopeless_above_sd: float | None = Field(default=None, ge=0, lt=1000)

    def hopeless_above(self, threshold: float, *, field_sd_bpb: float | None) -> float | None:
        """The mean above which it stops as hopeless, BPB; None where it does not ask for that."""
        if self.hopeless_above_sd is None or field_sd_bpb is None:
            return None
        return threshold + self.hopeless_above_sd * field_sd_bpb


class Significance(Fact):
    """How many seeds are run, and what the test must show; no test where there is no bar.

    Either ``seeds`` are run and then tested, or there are ``looks`` while they are run; all looks
    together accept what is not better in less than ``p_below`` of all cases. ``test`` is plain
    (Student's one-sample t-test) when not given; moderated by the field's own deviation,
    ``field_sd_bpb`` with ``field_degrees`` of freedom, known from ``source``; or Welch's, against
    the record's own seeds. ``confirmation`` further seeds are run after acceptance. With
    ``spending`` each further try of the same author is tested at a lower level.
    """

    seeds: Later[Annotated[int, Field(ge=1, le=100, strict=True)]] = None
    margin_nats_per_token: float | None = Field(default=None, ge=0, lt=10)
    p_below: float | None = Field(default=None, gt=0, lt=0.5)
    test: Later[Literal["plain", "moderated", "welch"]] = None
    field_sd_bpb: Later[Annotated[float, Field(gt=0, lt=10)]] = None
    field_degrees: Later[Annotated[float, Field(gt=0, le=1000)]] = None
    source: Later[Annotated[str, Field(min_length=1)]] = None
    looks: Later[Annotated[tuple[Look, ...], Field(min_length=1, max_length=20)]] = None
    confirmation: Later[Annotated[int, Field(ge=2, le=100, strict=True)]] = None
    spending: Later[Annotated[bool, Field(strict=True)]] = None

    @model_validator(mode="after")
    def _test_is_whole(self) -> Self:
        if (self.margin_nats_per_token is None) != (self.p_below is None):
            raise ValueError("give both margin_nats_per_token and p_below, or neither")
        if (self.seeds is None) == (self.looks is None):
            raise ValueError("give exactly one of seeds and looks")
        asked = (self.test, self.looks, self.confirmation, self.spending)
        if self.p_below is None and any(setting is not None for setting in asked):
            raise ValueError("test, looks, confirmation, spending: only where there is a p_below")
        if self.p_below is not None and self.fewest_runs < 2:
            raise ValueError(f"{self.fewest_runs} seed before a test: a t-test needs at least 2")
        return self

    @model_validator(mode="after")
    def _prior_is_whole(self) -> Self:
        prior = (self.field_sd_bpb, self.field_degrees, self.source)
        if self.test == "moderated" and None in prior:
            raise ValueError("a moderated test needs field_sd_bpb, field_degrees and their source")
        if self.field_sd_bpb is None and (self.field_degrees or self.source):
            raise ValueError("field_degrees, source: only beside field_sd_bpb")
        return self

    @model_validator(mode="after")
    def _looks_in_order(self) -> Self:
        looks = self.looks
        if looks is None or self.p_below is None:
            return self
        runs = [look.runs for look in looks]
        if runs != sorted(set(runs)):
            raise ValueError(f"looks: runs must grow from look to look, got {runs}")
        if looks[-1].accept_below is None:
            raise ValueError(f"looks: the last one, after {runs[-1]} runs, needs accept_below")
        spent = math.fsum(look.accept_below or 0 for look in looks)
        if spent > self.p_below * (1 + 1e-9):
            raise ValueError(f"looks: accept_below is {spent:g} in sum, p_below {self.p_below:g}")
        hopeless = any(look.hopeless_above_sd is not None for look in looks)
        if hopeless and self.field_sd_bpb is None:
            raise ValueError("looks: hopeless_above_sd needs field_sd_bpb, the unit that it is in")
        return self

    @property
    def schedule(self) -> tuple[Look, ...]:
        """The looks; where only seeds are given, one look after all of them."""
        if self.looks is not None:
            return self.looks
        return (Look(runs=self.seeds or 1, accept_below=self.p_below),)

    @property
    def most_runs(self) -> int:
        """Seed runs until the last look."""
        return self.schedule[-1].runs

    @property
    def fewest_runs(self) -> int:
        """Seed runs until the first look that can accept, or the last where none does."""
        able = (look.runs for look in self.schedule if look.accept_below is not None)
        return next(able, self.most_runs)
