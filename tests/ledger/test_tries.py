"""Earlier tries lower the level of the next one: only one's own, and only since the bar fell."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.evidence.plan import Tries
from harness.ledger.events import Event
from harness.ledger.leaderboard import bar_of
from harness.ledger.sketch import sketch_of
from harness.ledger.tries import by_person, person_of, tries_of
from harness.statistics.looks import spent
from tests.factories.plans import entry, strict_track
from tests.ledger.boards import (
    CONTEST,
    SPENDING,
    accepting,
    chained,
    joined,
    keep,
    parted,
    retracted,
    tried,
)

OWN_BAR = SPENDING.model_copy(
    update={"bar": SPENDING.bar and SPENDING.bar.model_copy(update={"leaderboard": False})}
)


def found(board: Path, account: str = "author", **changes: Any) -> Tries:
    """What is known of earlier tries when somebody is to be verified."""
    files = changes.pop("files", {"train.py": b"pass\n"})
    track = changes.pop("track", SPENDING)
    made = entry(files, github_id=account, **changes)
    return tries_of(made, files, track, board, bar=bar_of(track, board))


def test_ones_own_tries_count_and_nobody_elses(board: Path) -> None:
    keep(board, tried(1), tried(2, "@rival"), tried(3, outcome="INCONCLUSIVE"))
    assert found(board).by_author == 2
    assert found(board, " AUTHOR\u200b").by_author == 2
    assert found(board, "rival").by_author == 1
    assert found(board, "newcomer").by_author == 0


def test_without_a_github_id_the_authors_name_counts(board: Path) -> None:
    keep(board, tried(1, "a.author"), tried(2, "@a.author"))
    assert found(board, "", author="A. Author").by_author == 1
    assert found(board, "a.author", author="whoever").by_author == 1


def test_accounts_that_are_one_person_count_together(board: Path) -> None:
    tries = (tried(1, "@a"), tried(2, "@b"), tried(3, "@c"), tried(4, "@d"))
    keep(board, *tries, joined("@a", "@b"), joined("@c", "@b"))
    assert [found(board, name).by_author for name in "abcd"] == [3, 3, 3, 1]


def test_a_join_that_was_an_error_is_parted(board: Path) -> None:
    chain = chained(tried(1, "@a"), tried(2, "@b"), joined("@a", "@b"))
    keep(board, *chain.events, parted(chain.head))
    assert found(board, "a").by_author == 1
    keep(board, *chain.events, parted(chain.head), joined("@a", "@b"))
    assert found(board, "a").by_author == 2


ACCOUNTS = st.sampled_from(["@a", "@b", "@c", "@d", "@e", "@f"])
JOINS = st.lists(st.lists(ACCOUNTS, min_size=2, max_size=3, unique=True), max_size=6)


@given(JOINS, st.randoms())
def test_the_order_of_joins_does_not_matter(joins: list[list[str]], random: Any) -> None:
    shuffled = [random.sample(each, len(each)) for each in random.sample(joins, len(joins))]
    one, other = ([joined(*each) for each in order] for order in (joins, shuffled))
    for account in "abcdef":
        person = person_of(f"@{account}", one)
        assert person == person_of(f"@{account}", other)
        assert all(person_of(each, one) == person for each in person)


def test_when_the_bar_falls_all_begin_anew(board: Path) -> None:
    before = (tried(1), tried(2))
    keep(board, *before, accepting(2.9, 50))
    assert found(board).by_author == 0
    keep(board, *before, accepting(2.9, 50), tried(3, bar_bpb=2.9))
    assert found(board).by_author == 1
    # Recorded late, though it was tried against the bar of before.
    keep(board, *before, accepting(2.9, 50), tried(4))
    assert found(board).by_author == 0


def test_an_acceptance_that_lowers_no_bar_begins_nothing_anew(board: Path) -> None:
    keep(board, tried(1), accepting(3.2, 50))
    assert found(board).by_author == 1


def test_a_retraction_brings_the_tries_back_and_lowers_nobodys_count(board: Path) -> None:
    """Those against the harder bar count against the easier one too."""
    chain = (tried(1), tried(2), accepting(2.9, 50), tried(3, bar_bpb=2.9), retracted(50))
    keep(board, *chain[:-1])
    assert found(board).by_author == 1
    keep(board, *chain)
    assert found(board).by_author == 3


def test_what_was_accepted_was_tried_once(board: Path) -> None:
    """Its author is known by name where the event is of before; once, though it is kept twice."""
    keep(board, accepting(2.9, 50), retracted(50))
    assert found(board, "", author="The Champion").by_author == 1
    accepted = accepting(2.9, 50, account="@champion")
    keep(board, accepted, retracted(50))
    assert found(board, "champion").by_author == 1
    confirmed = accepting(2.9, 50, account="@champion", first_seed=7)
    assert confirmed.names[2] == 7 != confirmed.record.seeds[0]
    digest, track, seed = accepted.names
    same = tried(50, "@champion", submission_digest=digest, track_digest=track, first_seed=seed)
    keep(board, same, accepted, retracted(50))
    assert found(board, "champion").by_author == 1


@pytest.mark.parametrize("other", [{"track": "another"}, {"dataset": "another"}])
def test_what_was_tried_elsewhere_does_not_count(board: Path, other: dict[str, str]) -> None:
    keep(board, tried(1, **other))
    assert found(board).by_author == 0


def test_another_edition_of_the_track_is_the_same_contest(board: Path) -> None:
    keep(board, tried(1, track_digest="5" * 64))
    assert found(board).by_author == 1


def test_a_track_that_charges_nothing_asks_nobody(board: Path) -> None:
    board.unlink()
    files = {"train.py": b"pass\n"}
    absent = board
    assert tries_of(entry(files), files, CONTEST, absent, bar=None) == Tries()
    with pytest.raises(UsageError, match="cannot be read"):
        tries_of(entry(files), files, SPENDING, absent, bar=None)


def test_a_bar_of_the_tracks_own_never_falls(board: Path) -> None:
    keep(board, tried(1), tried(2), accepting(2.0, 50))
    assert found(board, track=OWN_BAR).by_author == 2
    baseline = strict_track(significance=SPENDING.significance)
    keep(board, tried(1, bar_bpb=3.4), tried(2, bar_bpb=99.0))
    assert found(board, track=baseline).by_author == 2


# What happens to a leaderboard: somebody tries, a record falls, or is taken back.
TRY = st.tuples(st.just("try"), st.integers(0, 3))
FALL = st.tuples(st.just("fall"), st.integers(1, 9))
RETRACT = st.tuples(st.just("retract"), st.integers(0, 9))


@settings(deadline=None, max_examples=60)
@given(JOINS, st.lists(st.one_of(TRY, TRY, TRY, FALL, RETRACT), max_size=25))
def test_all_tries_of_a_person_against_one_bar_stay_below_the_level(
    tmp_path_factory: pytest.TempPathFactory,
    joins: list[list[str]],
    happens: list[tuple[str, int]],
) -> None:
    """Whatever is accepted and taken back in between, and whoever is one person."""
    board = tmp_path_factory.mktemp("board") / "leaderboard.json"
    events: list[Event] = [joined(*each) for each in joins]
    level = SPENDING.significance.p_below
    assert level is not None
    tested: dict[tuple[frozenset[str], float], list[float]] = defaultdict(list)
    standing: list[int] = []
    for number, (what, value) in enumerate(happens, start=1):
        keep(board, *events)
        bar = bar_of(SPENDING, board)
        assert bar is not None
        if what == "try":
            account = f"@{'abcd'[value]}"
            earlier = found(board, account).by_author
            tested[person_of(account, chained(*events).joins), bar.bpb].append(
                spent(level, earlier=earlier)
            )
            events.append(tried(number, account, bar_bpb=bar.bpb))
        elif what == "fall":
            events.append(accepting(bar.bpb - value / 100, number))
            standing.append(number)
        elif standing:
            events.append(retracted(standing.pop(value % len(standing))))
    for levels in tested.values():
        assert sum(levels) < level
        assert levels == sorted(set(levels), reverse=True)


def test_who_has_tried_is_told_most_tries_first(board: Path) -> None:
    keep(board, tried(1, "@a"), tried(2, "@b"), tried(3, "@c"), joined("@b", "@c"), tried(4, "@d"))
    chain = chained(tried(1, "@a"), tried(2, "@b"), tried(3, "@c"), joined("@b", "@c"))
    assert by_person(chain, SPENDING, bar=bar_of(SPENDING, board)) == [
        (frozenset({"@b", "@c"}), 2),
        (frozenset({"@a"}), 1),
    ]


# -- Likeness.


def script(*numbers: int) -> dict[str, bytes]:
    return {"train.py": b"".join(b"x%d = %d\n" % (number, number) for number in numbers)}


CODE_OF_RIVAL = script(*range(100))
OF_RIVAL = tried(1, "@rival", sketch=sketch_of(CODE_OF_RIVAL), submission="Rival's")


def test_a_copy_of_somebody_elses_is_told_and_raises_no_count(board: Path) -> None:
    copy = script(*range(97), 1000, 1001, 1002)
    keep(board, OF_RIVAL, tried(2, "@rival"))
    tries = found(board, files=copy)
    assert tries.by_author == 0
    assert tries.like is not None
    assert (tries.like.submission, tries.like.account) == ("Rival's", "@rival")
    assert tries.like.differs == pytest.approx(0.03)
    # And whoever is copied, twenty times, is neither charged nor told of.
    copies = [tried(n, f"@copy{n}", sketch=sketch_of(copy)) for n in range(10, 30)]
    keep(board, OF_RIVAL, *copies)
    assert found(board, "rival", files=script(*range(500))).by_author == 1
    assert found(board, "copy10", files=copy).by_author == 1


def test_what_differs_in_five_lines_of_a_hundred_is_no_copy(board: Path) -> None:
    keep(board, OF_RIVAL)
    assert found(board, files=script(*range(95), *range(200, 205))).like is None
    assert found(board, files=script(*range(96), *range(200, 204))).like is not None


def test_ones_own_code_is_no_copy_under_any_account(board: Path) -> None:
    keep(board, OF_RIVAL, joined("@rival", "@author"))
    assert found(board, "rival", files=CODE_OF_RIVAL).like is None
    assert found(board, "author", files=CODE_OF_RIVAL).like is None


def test_code_of_an_accepted_record_is_everybodys(board: Path) -> None:
    """Nor is it a copy of somebody who made little of it."""
    record = accepting(2.9, 50, account="@champion", sketch=sketch_of(CODE_OF_RIVAL))
    keep(board, record)
    assert found(board, files=CODE_OF_RIVAL).like is None
    keep(board, record, OF_RIVAL)
    assert found(board, files=CODE_OF_RIVAL).like is None


def test_the_nearest_is_told(board: Path) -> None:
    near = tried(2, "@near", sketch=sketch_of(script(*range(99))), submission="Near")
    keep(board, OF_RIVAL, near)
    like = found(board, files=script(*range(99))).like
    assert like is not None and (like.submission, like.differs) == ("Rival's", 0)
    like = found(board, files=script(*range(98), 1000)).like
    assert like is not None and like.submission == "Rival's"
