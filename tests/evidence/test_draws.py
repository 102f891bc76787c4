"""Nobody chooses a seed: each follows from the plan's inputs, and from nothing else."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from harness.contest.entry import Tokenizer
from harness.contest.significance import Significance
from harness.evidence.draws import Draw, draw_runs, draw_seeds
from tests.factories.plans import entry, looking_track, plan, strict_track

MADE = plan()
CODED = entry(
    {"train.py": b"", "words.py": b""}, tokenizer=Tokenizer(kind="code", code="words:Words")
)


@given(st.text(), st.text(), st.text(), st.integers(0, 50))
def test_seeds_are_distinct_reproducible_and_in_range(a: str, b: str, nonce: str, n: int) -> None:
    seeds = draw_seeds(entry_digest=a, track_digest=b, nonce=nonce, count=n)
    assert seeds == draw_seeds(entry_digest=a, track_digest=b, nonce=nonce, count=n)
    assert len(set(seeds)) == n
    assert all(0 <= seed < 1 << 31 for seed in seeds)
    more = draw_seeds(entry_digest=a, track_digest=b, nonce=nonce, count=n + 2)
    assert more[:n] == seeds


def test_seeds_depend_on_every_ingredient() -> None:
    base: dict[str, str] = {"entry_digest": "s", "track_digest": "t", "nonce": "n"}
    first = draw_seeds(**base, count=3)
    for key in base:
        assert draw_seeds(**{**base, key: "other"}, count=3) != first


seeds = st.integers(2, 20)
words = st.text("abc", min_size=1, max_size=3)


def draws_of(count: int, nonce: str, code: str, edition: str) -> tuple[Draw, ...]:
    test = Significance(seeds=count, margin_nats_per_token=0.005, p_below=0.01)
    track = strict_track(significance=test, edition=edition)
    return draw_runs(entry({"train.py": code.encode()}), track, nonce)


@given(st.tuples(seeds, words, words, words), st.tuples(seeds, words, words, words))
def test_draws_follow_from_their_inputs_and_from_nothing_else(
    inputs: tuple[int, str, str, str], others: tuple[int, str, str, str]
) -> None:
    draws = draws_of(*inputs)
    assert draws == draws_of(*inputs)
    assert len({draw.seed for draw in draws}) == len(draws) == inputs[0]
    assert all(0 <= draw.seed < 1 << 31 for draw in draws)
    assume(inputs != others)
    assert not {draw.seed for draw in draws} & {draw.seed for draw in draws_of(*others)}


@given(st.integers(0, 3))
def test_any_one_changed_input_changes_every_seed(which: int) -> None:
    inputs: list[Any] = [3, "n", "code", "1"]
    changed = list(inputs)
    changed[which] = 4 if which == 0 else changed[which] + "x"
    seeds_before = {draw.seed for draw in draws_of(*inputs)}
    assert not seeds_before & {draw.seed for draw in draws_of(*changed)}


def test_what_confirms_is_drawn_with_the_looks_and_changes_none_of_their_seeds() -> None:
    track = looking_track()
    draws = draw_runs(MADE.entry, track, "n")
    assert [draw.purpose for draw in draws] == ["look"] * 8 + ["confirmation"] * 3
    asked = {"entry_digest": MADE.entry.digest, "track_digest": track.digest, "nonce": "n"}
    assert [draw.seed for draw in draws[:8]] == draw_seeds(**asked, count=8)
    assert [draw.role for draw in draws] == ["seed"] * 11
    by_hand = draw_runs(MADE.entry, track, "n", by_hand=[5, 6])
    assert [draw.purpose for draw in by_hand] == ["look", "look"]


def test_questions_are_shared_by_the_fewest_seeds_that_can_be_accepted() -> None:
    assert plan(looking_track()).probed_runs == 3
    assert plan().probed_runs == 3
    assert plan(looking_track(), seeds=(1, 2), chosen_by_hand=True).probed_runs == 2


@given(st.lists(st.integers(0, (1 << 31) - 1), min_size=1, max_size=5, unique=True))
def test_seeds_by_hand_are_taken_as_they_are(given_seeds: list[int]) -> None:
    draws = draw_runs(MADE.entry, MADE.track, "n", by_hand=given_seeds)
    assert [draw.seed for draw in draws] == given_seeds
    prepared = draw_runs(CODED, MADE.track, "n", by_hand=given_seeds)
    assert [draw.seed for draw in prepared] == [0, *given_seeds]
