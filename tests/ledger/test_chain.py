"""The chain of events: nothing in it is changed, left out or put in unseen."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.ledger.chain import NOTHING_BEFORE, Leaderboard, broken_link, leaderboard_json
from harness.ledger.events import Accepted, Event, Record
from harness.ledger.file import load_leaderboard
from tests.factories.playground import harness
from tests.ledger.boards import chained, joined, parted, retracted, tried

Json = dict[str, Any]


def record(number: int) -> Record:
    return Record(
        verdict_sha256=f"{number:064x}",
        date=f"2026-11-{number:02d}T12:00:00+00:00",
        track="strict",
        edition="2026-11",
        track_digest="c" * 64,
        dataset="demo_sp1024",
        submission=f"Entry {number}",
        author="Ä. Author\u2028\n",
        submission_digest=f"{number:064x}",
        harness_digest="e" * 64,
        rules_digest="f" * 64,
        mean_bpb=1.5,
        sd_bpb=1e-9,
        seeds=(1, 2, 3),
        scores=(1.4, 1.5, 1.6),
        p=1e-300,
        bar_bpb=3.0,
        bytes=1000,
    )


def accepted(number: int) -> Accepted:
    return Accepted(
        before=NOTHING_BEFORE,
        at=f"2026-11-{number:02d}T13:00:00+00:00",
        by="R. Referee",
        pull_request="7",
        commit="0123abc",
        evidence="tape",
        seen="evidence",
        record=record(number),
    )


WHOLE = chained(accepted(1), accepted(2), retracted(1), accepted(3))
JOINED = chained(joined("@a", "@b")).events[0]


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "leaderboard.json"
    path.write_bytes(leaderboard_json(WHOLE))
    return path


def test_it_is_read_as_it_was_written(board: Path) -> None:
    assert load_leaderboard(board) == WHOLE
    assert leaderboard_json(load_leaderboard(board)) == board.read_bytes()
    assert broken_link(Leaderboard()) is None
    assert leaderboard_json(Leaderboard()).count(b"\n") == 1


def test_a_digest_is_that_of_a_line(board: Path) -> None:
    """So anybody can check a chain with ``sha256sum``."""
    lines = board.read_bytes().split(b"\n")[1:-2]
    digests = [hashlib.sha256(line.strip().removesuffix(b",")).hexdigest() for line in lines]
    assert digests == [event.digest for event in WHOLE.events]
    assert [event.before for event in WHOLE.events] == [NOTHING_BEFORE, *digests[:-1]]
    assert digests[-1] == WHOLE.head


TRYING = chained(
    tried(1), joined("@a", "@b"), parted(chained(tried(1), joined("@a", "@b")).head), tried(2)
)


def test_tries_and_joins_follow_the_same_rules(board: Path) -> None:
    """They are events like others: kept as they are, each naming the one before."""
    board.write_bytes(leaderboard_json(TRYING))
    assert load_leaderboard(board) == TRYING
    assert leaderboard_json(load_leaderboard(board)) == board.read_bytes()
    assert TRYING.joins == [] and TRYING.records == []
    document = json.loads(board.read_text())
    for path in list(leaves(document)):
        changed = json.loads(board.read_text())
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = place[path[-1]] + 1 if isinstance(place[path[-1]], int | float) else "x"
        (changed_file := board.with_name("changed.json")).write_text(json.dumps(changed))
        with pytest.raises(UsageError):
            load_leaderboard(changed_file)


@pytest.mark.parametrize("name", ["before_tries", "with_tries"])
def test_a_chain_is_read_and_written_back_byte_for_byte(name: str) -> None:
    """Whoever sees this fail has changed a format, and so every digest in it."""
    path = Path(__file__).parent / "formats" / f"{name}.json"
    board = load_leaderboard(path)
    assert leaderboard_json(board) == path.read_bytes()
    assert {event.kind for event in board.events} == (
        {"accepted", "retracted"}
        if name == "before_tries"
        else {"accepted", "retracted", "tried", "joined", "parted"}
    )


def test_records_follow_from_the_events() -> None:
    assert [each.submission for each in WHOLE.records] == ["Entry 2", "Entry 3"]
    assert [each.submission for each, _ in WHOLE.retracted] == ["Entry 1"]
    again = chained(accepted(1), retracted(1), accepted(1))
    assert ([each.submission for each in again.records], again.retracted) == (["Entry 1"], [])


def test_what_a_later_harness_adds_changes_no_digest_of_today() -> None:
    class Signed(Accepted):
        signature: str | None = None

    event = WHOLE.events[0]
    assert Signed(**dict(event)).digest == event.digest
    assert Signed(**dict(event), signature="s").digest != event.digest


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from leaves(inner, (*path, key))
    else:
        yield path


def test_nothing_in_it_can_be_changed(board: Path) -> None:
    document = json.loads(board.read_text())
    places = list(leaves(document))
    assert len(places) > 80
    for path in places:
        changed = json.loads(board.read_text())
        place = changed
        for key in path[:-1]:
            place = place[key]
        old = place[path[-1]]
        if isinstance(old, int | float):
            place[path[-1]] = old + 1
        else:
            place[path[-1]] = ("1" if old[:1] != "1" else "2") + old[1:]
        board.write_text(json.dumps(changed))
        with pytest.raises(UsageError, match=r"leaderboard\.json: (a broken chain|not a leader)"):
            load_leaderboard(board)


def edited(edit: Callable[[list[Json]], object]) -> str:
    document = json.loads(leaderboard_json(WHOLE))
    edit(document["events"])
    found = broken_link(Leaderboard.model_validate_json(json.dumps(document)))
    assert found is not None
    return found


def test_a_broken_chain_is_refused_by_name_of_the_event(board: Path) -> None:
    second = "event 2 of 2026-11-02T13:00:00 (accepted by R. Referee) follows event 1, whose digest"
    assert edited(lambda events: events[0].update(by="Somebody")).startswith(second)
    assert edited(lambda events: events[0]["record"].update(mean_bpb=1.0)).startswith(second)
    third = "event 3 of 2026-11-03T13:00:00 (accepted by R. Referee) follows event 2"
    assert edited(lambda events: events.pop(2)).startswith(third)
    assert edited(lambda events: events.pop(0)).startswith(
        "event 1 of 2026-11-02T13:00:00 (accepted by R. Referee) begins the chain"
    )
    assert edited(lambda events: events.reverse()).startswith("event 1 of 2026-11-03")
    assert "the head is" in edited(lambda events: events.pop())
    assert "the head is" in edited(lambda events: events.clear())
    assert "the head is" in edited(lambda events: events[-1].update(by="Somebody"))
    document = json.loads(board.read_text())
    document["events"][0]["by"] = "Somebody"
    board.write_text(json.dumps(document))
    done = harness("leaderboard", "show", "--leaderboard", board)
    assert done.code == 2
    assert "a broken chain: event 2" in done.err and "git's history" in done.err


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((accepted(1), accepted(1)), "event 2 .* accepts a verdict that stands already"),
        ((retracted(1),), "event 1 .* retracts a verdict that does not stand"),
        (
            (accepted(1), retracted(1), retracted(1)),
            "event 3 .* retracts a verdict that does not stand",
        ),
        ((tried(1), tried(2), tried(1, "@other")), "event 3 .* keeps a try that is kept already"),
        ((parted("7" * 64),), "event 1 .* parts what is not joined"),
        (
            (joined("@a", "@b"), parted(JOINED.digest), parted(JOINED.digest)),
            "event 3 .* parts what is not joined",
        ),
    ],
)
def test_events_that_make_no_sense_are_refused(
    board: Path, events: tuple[Event, ...], why: str
) -> None:
    board.write_bytes(leaderboard_json(chained(*events)))
    with pytest.raises(UsageError, match=why):
        load_leaderboard(board)


def test_a_score_stands_behind_each_seed() -> None:
    fields = record(1).model_dump()
    with pytest.raises(ValueError, match="scores: expected one for each seed"):
        Record(**{**fields, "scores": (1.4, 1.5)})
