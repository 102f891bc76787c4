"""Who tried what: the tries that a leaderboard knows, and what they leave to the next one.

Each further try of the same author is tested at a lower level, so that all his tries together pass
by luck no more often than one would. What counts is what was tried against the bar of today or a
harder one: when the bar falls, all begin anew; when an acceptance is retracted and the bar rises
again, what was tried against the higher bar counts again, and so nobody has fewer tries for it.

Only one's own tries count. How like two entries are raises no count: a rival's script can be copied
twenty times by whoever wants to spoil his chances. A copy is a try of who sent it, and is told.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.contest.account import account, account_of
from harness.contest.entry import Entry
from harness.contest.track import Track
from harness.evidence.plan import Bar, Like, Tries
from harness.ledger.chain import Leaderboard, is_on
from harness.ledger.events import Accepted, Joined, Tried, TryName
from harness.ledger.file import load_leaderboard
from harness.ledger.sketch import Sketch, share_of_its_own, sketch_of

LIKE_BELOW = 0.05
"""What differs in less than this share of its own lines is told to be a copy."""


@dataclass(frozen=True)
class Try:
    """One try; ``sketch`` is None where nobody looked at its code.

    ``accepted``: its verdict was accepted, whether or not it stands, so its code is everybody's.
    """

    account: str
    submission: str
    date: datetime
    bar_bpb: float
    sketch: Sketch | None
    accepted: bool


def tries_on(board: Leaderboard, track: Track) -> dict[TryName, Try]:
    """Every try on a track, of any edition on the same dataset; what was accepted was tried."""
    found: dict[TryName, Try] = {}
    accepted = {event.names: event for event in board.events if isinstance(event, Accepted)}
    for names, acceptance in accepted.items():
        record = acceptance.record
        if is_on(record, track):
            found[names] = Try(
                account=acceptance.account or account("", record.author),
                submission=record.submission,
                date=datetime.fromisoformat(record.date),
                bar_bpb=record.bar_bpb,
                sketch=acceptance.sketch,
                accepted=True,
            )
    for event in board.events:
        if isinstance(event, Tried) and is_on(event, track):
            found[event.names] = Try(
                account=event.account,
                submission=event.submission,
                date=datetime.fromisoformat(event.date),
                bar_bpb=event.bar_bpb,
                sketch=event.sketch,
                accepted=event.names in accepted,
            )
    return found


def person_of(account: str, joins: Iterable[Joined]) -> frozenset[str]:
    """All accounts that are one person with this one; in whichever order they were joined."""
    person = {account}
    together = [frozenset(event.accounts) for event in joins]
    while True:
        more = {each for join in together if join & person for each in join} - person
        if not more:
            return frozenset(person)
        person |= more


def against(tries: Iterable[Try], bar_bpb: float | None) -> list[Try]:
    """Those that were tried against this bar or a harder one; all where the bar cannot fall."""
    return [each for each in tries if bar_bpb is None or each.bar_bpb <= bar_bpb]


def by_person(
    board: Leaderboard, track: Track, *, bar: Bar | None
) -> list[tuple[frozenset[str], int]]:
    """Who has tried since the bar fell, and how often; most tries first.

    ``bar`` is the score to beat, where the track takes it from the leaderboard.
    """
    tries = against(tries_on(board, track).values(), _height(track, bar))
    joins = board.joins
    people = {account: person_of(account, joins) for account in {each.account for each in tries}}
    counts = Counter(people[each.account] for each in tries)
    return sorted(counts.items(), key=lambda pair: (-pair[1], sorted(pair[0])))


def _height(track: Track, bar: Bar | None) -> float | None:
    """BPB of the bar that tries are held against; None for a baseline, which never falls."""
    if bar is not None:
        return bar.bpb
    return track.bar.bpb if track.bar else None


def tries_of(
    entry: Entry, files: Mapping[str, bytes], track: Track, path: Path, *, bar: Bar | None
) -> Tries:
    """What a leaderboard knows of earlier tries of an entry's author at this moment.

    Args:
        entry: what is to be tried.
        files: its files by name.
        track: the rules; where they charge no tries, nothing is looked for.
        path: the leaderboard.
        bar: the score to beat, where the track takes it from the leaderboard.

    Raises:
        UsageError: the track charges tries, and the leaderboard cannot be read.
    """
    if not track.significance.spending:
        return Tries()
    board = load_leaderboard(path)
    tries = list(tries_on(board, track).values())
    person = person_of(account_of(entry), board.joins)
    own = [each for each in tries if each.account in person]
    others = [each for each in tries if each.account not in person]
    return Tries(
        by_author=len(against(own, _height(track, bar))),
        like=_like(sketch_of(files), others, [each for each in tries if each.accepted]),
    )


def _like(sketch: Sketch, others: Iterable[Try], accepted: Iterable[Try]) -> Like | None:
    """The nearest try of somebody else, if it is near; None where it is like an accepted record."""
    if any(_apart(sketch, each) < LIKE_BELOW for each in accepted):
        return None
    near = min(others, key=lambda each: (_apart(sketch, each), each.date), default=None)
    if near is None or _apart(sketch, near) >= LIKE_BELOW:
        return None
    return Like(
        submission=near.submission,
        account=near.account,
        at=near.date.isoformat(),
        differs=_apart(sketch, near),
    )


def _apart(sketch: Sketch, other: Try) -> float:
    return 1.0 if other.sketch is None else share_of_its_own(sketch, other.sketch)
