"""Leaderboards with the verdicts that they accepted, for sites; each is a real judgement."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.judge.verdict import Verdict
from harness.ledger.chain import NOTHING_BEFORE
from harness.ledger.events import Accepted, Event, Record
from harness.ledger.leaderboard import record_of
from harness.safeio.files import sha256_of_bytes
from tests.factories.plans import entry, plan
from tests.factories.runs import good_runs, verdict_of
from tests.judge.test_recipes import KNOWN
from tests.ledger.boards import keep

SPREAD = (-0.0005, 0.0001, 0.0004)
FIRST_DAY = datetime(2025, 11, 1, 12, tzinfo=UTC)


def verdict_with(mean: float, *, name: str, author: str, day: int) -> Verdict:
    """A verified verdict whose seeds have about this mean, begun on that day."""
    made = plan(
        KNOWN,
        nonce=f"{day}",
        entry=entry(name=name, author=author),
        created_at=(FIRST_DAY + timedelta(days=day)).isoformat(timespec="milliseconds"),
    )
    return verdict_of(made, good_runs(made, [mean + away for away in SPREAD]))


def accepting(record: Record) -> Accepted:
    """The event that accepted it, not yet chained."""
    return Accepted(
        before=NOTHING_BEFORE, at=record.date, by="R. Referee", seen="evidence", record=record
    )


@dataclass
class Accepting:
    """A leaderboard under way, and the folder of its verdicts."""

    folder: Path
    events: list[Event] = field(default_factory=list)

    @property
    def verdicts(self) -> Path:
        """The folder of verdicts."""
        return self.folder / "verdicts"

    @property
    def board(self) -> Path:
        """The leaderboard's file."""
        return self.folder / "leaderboard.json"

    def accept(self, content: bytes, verdict: Verdict, name: str) -> Record:
        """Accept a verdict whose file has this content."""
        self.verdicts.mkdir(parents=True, exist_ok=True)
        (self.verdicts / f"{name}.json").write_bytes(content)
        found = record_of(verdict, sha256_of_bytes(content))
        self.events.append(accepting(found))
        return found

    def keep(self) -> "Accepting":
        """Write the leaderboard."""
        self.folder.mkdir(parents=True, exist_ok=True)
        keep(self.board, *self.events)
        return self


def accepted_verdicts(
    folder: Path, means: Sequence[float], *, names: Sequence[str] = (), author: str = "A. Author"
) -> Accepting:
    """One accepted verdict for each mean, a day apart."""
    made = Accepting(folder)
    for day, mean in enumerate(means):
        name = names[day] if day < len(names) else f"Entry {day}"
        verdict = verdict_with(mean, name=name, author=author, day=day)
        made.accept(verdict.model_dump_json(indent=2).encode(), verdict, f"v{day}")
    return made.keep()


def many_verdicts(folder: Path, count: int, *, bases: int = 60) -> Accepting:
    """Many entries made of few judgements: the record falls ``bases`` times, the rest ties with it.

    Each has a name, an author and a day of its own.
    """
    made = Accepting(folder)
    each = -(-count // bases)
    for base in range(bases):
        verdict = verdict_with(
            1.30 - 0.003 * base, name=f"Entry {base}", author="A. Author", day=base
        )
        fields = json.loads(verdict.model_dump_json())
        for number in range(min(each, count - base * each)):
            place = base * each + number
            at = FIRST_DAY + timedelta(hours=4 * place)
            fields["submission"] = f"Int6 MLP3x sliding window, variation {place} of the {base}th"
            fields["author"] = f"Author {place % 211}"
            fields["created_at"] = at.isoformat(timespec="milliseconds")
            content = json.dumps(fields, indent=2).encode()
            made.accept(content, Verdict.model_validate(fields), f"v{place}")
    return made.keep()
