"""The chain of events that a leaderboard is, and the records that follow from it."""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.contest.track import Track
from harness.models import Fact, Later

MOST_EVENTS = 20_000
NAME_CHARACTERS = 200
NOTHING_BEFORE = "0" * 64


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


class Record(Fact):
    """One accepted verdict. BPB, decimal bytes of the largest artifact and the code.

    ``verdict_sha256`` is that of the verdict's file, ``bar_bpb`` what it was verified against.
    ``scores`` are those of ``seeds``, in the same order: of those that confirmed, where the track
    asks for a confirmation, whose mean was not selected; ``rules_digest`` is that of the rules that
    judged. ``brought_bytes`` is what the entry brought along, as it was counted; null in a record
    of before there was such a figure.
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
    """

    kind: Literal["accepted"] = "accepted"
    pull_request: Name = ""
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{7,64})?$")] = ""
    evidence: Name = ""
    seen: Seen
    record: Record


class Retracted(_Event):
    """An accepted verdict was taken back, for ``why``."""

    kind: Literal["retracted"] = "retracted"
    verdict_sha256: Digest
    why: Annotated[str, Field(min_length=1, max_length=2000)]


Event = Annotated[Accepted | Retracted, Field(discriminator="kind")]


class Leaderboard(Fact):
    """Every event, oldest first; ``head`` is the digest of the last one."""

    format: Literal[2] = 2
    head: Digest = NOTHING_BEFORE
    events: tuple[Event, ...] = Field(default=(), max_length=MOST_EVENTS)

    @property
    def records(self) -> list[Record]:
        """What is accepted and was not retracted, in order of date."""
        standing: dict[str, Record] = {}
        for event in self.events:
            if isinstance(event, Accepted):
                standing[event.record.verdict_sha256] = event.record
            else:
                standing.pop(event.verdict_sha256, None)
        return sorted(
            standing.values(),
            key=lambda record: (datetime.fromisoformat(record.date), record.verdict_sha256),
        )

    @property
    def retracted(self) -> list[tuple[Record, Retracted]]:
        """What was accepted and does not stand any more, with its last retraction."""
        standing = {record.verdict_sha256 for record in self.records}
        accepted = {
            event.record.verdict_sha256: event.record
            for event in self.events
            if isinstance(event, Accepted)
        }
        last = {
            event.verdict_sha256: event for event in self.events if isinstance(event, Retracted)
        }
        return [
            (accepted[digest], event) for digest, event in last.items() if digest not in standing
        ]

    def of(self, track: Track) -> list[Record]:
        """The records on a track, of any edition of it that was scored on the same dataset."""
        return [record for record in self.records if is_on(record, track)]

    def plus(self, event: Accepted | Retracted) -> "Leaderboard":
        """The leaderboard with one more event, which names the head."""
        return Leaderboard(head=event.digest, events=(*self.events, event))


def is_on(record: Record, track: Track) -> bool:
    """Whether a record is one of a track, of any edition on the same dataset."""
    return (record.track, record.dataset) == (track.name, track.dataset.name)


def broken_link(board: Leaderboard) -> str | None:
    """Where a chain is broken, by the event's place and date; None where it is whole.

    Each event names the one before; nothing is accepted while it stands, nor retracted while it
    does not.
    """
    digests = [NOTHING_BEFORE, *(event.digest for event in board.events)]
    standing: set[str] = set()
    for place, event in enumerate(board.events, start=1):
        name = f"event {place} of {event.at[:19]} ({event.kind} by {event.by[:40]})"
        if event.before != digests[place - 1]:
            what = "begins the chain" if place == 1 else f"follows event {place - 1}"
            return (
                f"{name} {what}, whose digest is {digests[place - 1][:12]}, but names "
                f"{event.before[:12]}: one of both was changed, or one between them left out"
            )
        if isinstance(event, Accepted):
            if event.record.verdict_sha256 in standing:
                return f"{name} accepts a verdict that stands already"
            standing.add(event.record.verdict_sha256)
        elif event.verdict_sha256 not in standing:
            return f"{name} retracts a verdict that does not stand"
        else:
            standing.discard(event.verdict_sha256)
    if board.head != digests[-1]:
        last = f"event {len(board.events)}" if board.events else "an empty chain"
        return (
            f"the head is {board.head[:12]}, but {last} has the digest {digests[-1][:12]}: it was "
            "changed, or one after it left out"
        )
    return None


def leaderboard_json(board: Leaderboard) -> bytes:
    """A leaderboard as it is kept: one event a line, so that a diff shows what was added.

    A line without its indentation and comma is what the event's digest is over.
    """
    lines = ",\n".join(f"  {event.text}" for event in board.events)
    body = f"\n{lines}\n" if lines else ""
    head = f'"format": {board.format}, "head": "{board.head}"'
    return f'{{{head}, "events": [{body}]}}\n'.encode()
