"""The events of a leaderboard, as they are kept: one line of canonical JSON each."""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.contest.account import LONGEST_ACCOUNT
from harness.ledger.sketch import Sketch
from harness.models import Fact, Later

NAME_CHARACTERS = 200
TryName = tuple[str, str, int]
"""Names a try: the digests of submission and track, and the first seed that was drawn for it.

So a verification that is finished later, or scored again, is the same try.
"""


FEWEST_DIGITS = 12
"""Digits of a digest, at least, by which somebody names what it is of."""


def _dated(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time zone")
    return text


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(max_length=NAME_CHARACTERS)]
Words = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS)]
Date = Annotated[str, Field(max_length=40), AfterValidator(_dated)]
Seen = Literal["evidence", "evidence of other rules", "verdict"]
Score = Annotated[float, Field(gt=0, lt=100)]
Account = Annotated[str, Field(min_length=1, max_length=LONGEST_ACCOUNT)]
Seed = Annotated[int, Field(ge=0, lt=1 << 31)]


class Decided(Fact):
    """An answer of the verdict that a person gave, where a rule could not tell."""

    rule: Name
    outcome: Literal["pass", "fail"]
    who: Words
    at: Date
    why: Annotated[str, Field(min_length=1, max_length=2000)]


class Record(Fact):
    """One accepted verdict. BPB, decimal bytes of the largest artifact and the code.

    ``verdict_sha256`` is that of the verdict's file, ``bar_bpb`` what it was verified against.
    ``scores`` are those of ``seeds``, in the same order: of those that confirmed, where the track
    asks for a confirmation, whose mean was not selected; ``rules_digest`` is that of the rules that
    judged. ``brought_bytes`` is what the entry brought along, as it was counted; null in a record
    of before there was such a figure. ``decided`` are the answers that a person gave, null where
    the rules gave all of them.
    """

    verdict_sha256: Digest
    date: Date
    track: Name
    edition: Name
    track_digest: Digest
    dataset: Name
    submission: Name
    author: Name
    submission_digest: Digest
    harness_digest: Digest
    rules_digest: Digest
    mean_bpb: Score
    sd_bpb: float = Field(ge=0)
    seeds: tuple[int, ...] = Field(min_length=2, max_length=100)
    scores: tuple[Score, ...] = Field(min_length=2, max_length=100)
    p: float = Field(ge=0, le=1)
    bar_bpb: Score
    bytes: int = Field(ge=0)
    brought_bytes: Later[Annotated[int, Field(ge=0)]] = None
    decided: Later[Annotated[tuple[Decided, ...], Field(max_length=100)]] = None

    @model_validator(mode="after")
    def _a_score_a_seed(self) -> "Record":
        if len(self.scores) != len(self.seeds):
            raise ValueError("scores: expected one for each seed")
        return self


class _Event(Fact):
    """``before`` is the digest of the event before; ``at`` when, ``by`` who."""

    before: Digest
    at: Date
    by: Words

    @property
    def digest(self) -> str:
        """SHA-256 of the event as it is kept."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """The event as canonical JSON: keys sorted, no white space, nothing that is null.

        What a later harness adds is null in an event of today, so it changes no digest.
        """
        fields = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Accepted(_Event):
    """A verdict was accepted.

    ``pull_request`` and ``commit`` say what was entered, ``evidence`` where its evidence lies.
    ``seen`` says what was looked at: the evidence, which was judged again and gave this verdict;
    or the evidence, of a verdict of other rules than those of the harness at hand, in which
    everything but their answers was found again; or the verdict's file alone.

    It is a try too: ``account`` says whose, ``sketch`` what its code's lines are, ``first_seed``
    which. Null in an event of before tries were kept, and the sketch where nobody looked at the
    code; a record need not hold the seed that was drawn first.
    """

    kind: Literal["accepted"] = "accepted"
    pull_request: Name = ""
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{7,64})?$")] = ""
    evidence: Name = ""
    seen: Seen
    record: Record
    account: Later[Account] = None
    first_seed: Later[Seed] = None
    sketch: Later[Sketch] = None

    @property
    def names(self) -> TryName:
        """The try that it is."""
        record = self.record
        first = record.seeds[0] if self.first_seed is None else self.first_seed
        return record.submission_digest, record.track_digest, first


class Retracted(_Event):
    """An accepted verdict was taken back, for ``why``."""

    kind: Literal["retracted"] = "retracted"
    verdict_sha256: Digest
    why: Annotated[str, Field(min_length=1, max_length=2000)]


class Tried(_Event):
    """Somebody tried to beat a bar, whatever came of it.

    ``account`` is whose try it was, ``bar_bpb`` what was to be beaten, ``p_below`` the level that
    it was tested at, ``date`` when its verification began. ``first_seed`` is the first that was
    drawn for it: with the digests of submission and track, it names the try. ``sketch`` is that of
    its code, ``evidence`` where its evidence lies, ``seen`` as in :class:`Accepted`.
    """

    kind: Literal["tried"] = "tried"
    account: Account
    track: Name
    dataset: Name
    track_digest: Digest
    submission: Name
    submission_digest: Digest
    first_seed: Seed
    date: Date
    outcome: Literal["VERIFIED", "REJECTED", "INCONCLUSIVE"]
    bar_bpb: float = Field(ge=0, lt=100)
    p_below: float = Field(gt=0, lt=0.5)
    evidence: Name = ""
    seen: Seen
    sketch: Sketch

    @property
    def names(self) -> TryName:
        """The try that it is."""
        return self.submission_digest, self.track_digest, self.first_seed


class Joined(_Event):
    """These accounts are one person, for ``why``."""

    kind: Literal["joined"] = "joined"
    accounts: tuple[Account, ...] = Field(min_length=2, max_length=100)
    why: Annotated[str, Field(min_length=1, max_length=2000)]

    @model_validator(mode="after")
    def _each_once(self) -> "Joined":
        if len(set(self.accounts)) != len(self.accounts):
            raise ValueError("accounts: one is named twice")
        return self


class Parted(_Event):
    """What was joined by the event of digest ``joined`` is not one person, for ``why``."""

    kind: Literal["parted"] = "parted"
    joined: Digest
    why: Annotated[str, Field(min_length=1, max_length=2000)]


Event = Annotated[Accepted | Retracted | Tried | Joined | Parted, Field(discriminator="kind")]
