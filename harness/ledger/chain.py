"""The chain of events that a leaderboard is, and the records that follow from it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import Field

from harness.contest.track import Track
from harness.ledger.events import (
    Accepted,
    Digest,
    Event,
    Joined,
    Parted,
    Record,
    Retracted,
    Tried,
    TryName,
)
from harness.models import Fact

MOST_EVENTS = 20_000
NOTHING_BEFORE = "0" * 64


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
            elif isinstance(event, Retracted):
                standing.pop(event.verdict_sha256, None)
        return sorted(
            standing.values(),
            key=lambda record: (datetime.fromisoformat(record.date), record.verdict_sha256),
        )

    def acceptance(self, record: Record) -> Accepted | None:
        """The event by which a record was accepted; the last one where it was more than once."""
        found = (
            event
            for event in reversed(self.events)
            if isinstance(event, Accepted) and event.record.verdict_sha256 == record.verdict_sha256
        )
        return next(found, None)

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

    def best(self, track: Track) -> Record | None:
        """The record to beat on a track; of equal ones the first."""
        return min(self.of(track), key=lambda record: record.mean_bpb, default=None)

    @property
    def joins(self) -> list[Joined]:
        """What was joined and not parted again."""
        parted = {event.joined for event in self.events if isinstance(event, Parted)}
        joined = (event for event in self.events if isinstance(event, Joined))
        return [event for event in joined if event.digest not in parted]

    def plus(self, event: Event) -> "Leaderboard":
        """The leaderboard with one more event, which names the head."""
        return Leaderboard(head=event.digest, events=(*self.events, event))


def is_on(entered: Record | Tried, track: Track) -> bool:
    """Whether a record or a try is one of a track, of any edition on the same dataset."""
    return (entered.track, entered.dataset) == (track.name, track.dataset.name)


def broken_link(board: Leaderboard) -> str | None:
    """Where a chain is broken, by the event's place and date; None where it is whole.

    Each event names the one before; nothing is accepted while it stands, nor retracted while it
    does not; a verification is tried once, and what is parted was joined.
    """
    digests = [NOTHING_BEFORE, *(event.digest for event in board.events)]
    senses = _Senses()
    for place, event in enumerate(board.events, start=1):
        name = f"event {place} of {event.at[:19]} ({event.kind} by {event.by[:40]})"
        if event.before != digests[place - 1]:
            what = "begins the chain" if place == 1 else f"follows event {place - 1}"
            return (
                f"{name} {what}, whose digest is {digests[place - 1][:12]}, but names "
                f"{event.before[:12]}: one of both was changed, or one between them left out"
            )
        if problem := senses.problem(event, digests[place]):
            return f"{name} {problem}"
    if board.head != digests[-1]:
        last = f"event {len(board.events)}" if board.events else "an empty chain"
        return (
            f"the head is {board.head[:12]}, but {last} has the digest {digests[-1][:12]}: it was "
            "changed, or one after it left out"
        )
    return None


@dataclass
class _Senses:
    """What an event needs to make sense, from the events before it."""

    standing: set[str] = field(default_factory=set)
    tried: set[TryName] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)

    def problem(self, event: Event, digest: str) -> str | None:
        """Why an event makes no sense here; None, and it is taken note of, where it does."""
        if isinstance(event, Accepted):
            if event.record.verdict_sha256 in self.standing:
                return "accepts a verdict that stands already"
            self.standing.add(event.record.verdict_sha256)
        elif isinstance(event, Retracted):
            if event.verdict_sha256 not in self.standing:
                return "retracts a verdict that does not stand"
            self.standing.discard(event.verdict_sha256)
        elif isinstance(event, Tried):
            if event.names in self.tried:
                return "keeps a try that is kept already"
            self.tried.add(event.names)
        elif isinstance(event, Joined):
            self.joined.add(digest)
        elif event.joined not in self.joined:
            return "parts what is not joined"
        else:
            self.joined.discard(event.joined)
        return None


def leaderboard_json(board: Leaderboard) -> bytes:
    """A leaderboard as it is kept: one event a line, so that a diff shows what was added.

    A line without its indentation and comma is what the event's digest is over.
    """
    lines = ",\n".join(f"  {event.text}" for event in board.events)
    body = f"\n{lines}\n" if lines else ""
    head = f'"format": {board.format}, "head": "{board.head}"'
    return f'{{{head}, "events": [{body}]}}\n'.encode()
