"""A plan that makes no sense is refused."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.contest.entry import Driven, Entry, Score, Tokenizer
from harness.contest.significance import Look, Significance
from harness.evidence.draws import Draw
from harness.evidence.plan import Plan, PlannedTest, Tries
from tests.factories.futures import drawn
from tests.factories.plans import bridge, entry, plan, planned_test, strict_track
from tests.factories.results import tokenizer_proof

MADE = plan()
WORDS = {"train.py": b"", "words.py": b""}
CODED = entry(WORDS, tokenizer=Tokenizer(kind="code", code="words:Words"))
BRIDGED = entry(WORDS, layout="upstream", bridge=bridge({"bridge.py": b"pass\n"}))


def with_draws(draws: Any, **changes: Any) -> Plan:
    return Plan.model_validate({**dict(MADE), "draws": tuple(draws), **changes})


@given(st.permutations(range(len(MADE.draws))))
def test_draws_are_numbered_in_order(order: list[int]) -> None:
    draws = [MADE.draws[place] for place in order]
    if order == sorted(order):
        assert with_draws(draws) == MADE
    else:
        with pytest.raises(ValidationError, match="numbered from 0 in order"):
            with_draws(draws)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_draws_have_no_gap_and_no_seed_twice(numbers: list[int]) -> None:
    draws = [Draw(number=number, seed=100 + number, purpose="look") for number in numbers]
    if numbers == list(range(len(numbers))):
        assert with_draws(draws).seeds == tuple(100 + number for number in numbers)
    else:
        with pytest.raises(ValidationError, match="numbered from 0"):
            with_draws(draws)
    same = [Draw(number=place, seed=7, purpose="look") for place in range(2)]
    with pytest.raises(ValidationError, match="drawn twice"):
        with_draws(same)


def test_purposes_come_in_the_order_of_a_verification() -> None:
    draws = drawn(BRIDGED, MADE.track, confirmation=1, reproduction=1)
    made = with_draws(draws, entry=BRIDGED)
    assert [draw.role for draw in made.draws] == ["preparation", *["seed"] * 4, "reproduction"]
    moved = [*draws[:-2], draws[-1], draws[-2]]
    renumbered = [draw.model_copy(update={"number": place}) for place, draw in enumerate(moved)]
    with pytest.raises(ValidationError, match="expected preparation, looks"):
        with_draws(renumbered, entry=BRIDGED)


def test_what_needs_a_preparation_has_one_and_nothing_else_does() -> None:
    for entered in (CODED, BRIDGED):
        with_draws(drawn(entered, MADE.track), entry=entered)
        with pytest.raises(ValidationError, match="a preparation exactly where"):
            with_draws(MADE.draws, entry=entered)
    with pytest.raises(ValidationError, match="a preparation exactly where"):
        with_draws(drawn(CODED, MADE.track))
    with pytest.raises(ValidationError, match="only an entry in upstream's layout"):
        with_draws(drawn(MADE.entry, MADE.track, reproduction=1))
    with pytest.raises(ValidationError, match="expected 0 of a preparation"):
        Draw(number=0, seed=1, purpose="preparation")


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("validation_tokens", 10**400),
        ("validation_bytes", 2**50 + 1),
        ("baselines", {"unigram": -1}),
    ],
)
def test_figures_with_which_nobody_could_reckon_are_refused(figure: str, value: Any) -> None:
    dataset = {**dict(MADE.texts.dataset), figure: value}
    with pytest.raises(ValidationError, match=figure):
        with_draws(MADE.draws, texts={"dataset": dataset})
    with pytest.raises(ValidationError, match="earlier"):
        Tries(earlier=10**400)


def test_a_test_is_planned_exactly_where_there_is_a_bar() -> None:
    for nothing in ("bar", "test"):
        with pytest.raises(ValidationError, match="exactly where there is a bar"):
            with_draws(MADE.draws, **{nothing: None})
    assert with_draws(MADE.draws, bar=None, test=None).bar is None


def test_a_test_names_all_that_it_will_use() -> None:
    prior = {"field_sd_bpb": 0.0007, "field_degrees": 40}
    assert planned_test(MADE.track, kind="moderated", **prior)
    assert planned_test(MADE.track, field_sd_bpb=0.0007)  # the unit of hopeless looks
    for changes in ({"kind": "moderated"}, {"kind": "moderated", "field_sd_bpb": 0.0007}):
        with pytest.raises(ValidationError, match="both needed for a moderated test"):
            planned_test(MADE.track, **changes)
    with pytest.raises(ValidationError, match="without field_sd_bpb"):
        planned_test(MADE.track, field_degrees=40)
    looks = (Look(runs=3), Look(runs=5))
    assert planned_test(MADE.track, looks=looks)
    for wrong in (looks[::-1], looks[:1] * 2):
        with pytest.raises(ValidationError, match="after more runs"):
            planned_test(MADE.track, looks=wrong)


class TestEntry:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"layout": "upstream"}, "exactly where the layout is upstream's"),
            ({"bridge": BRIDGED.bridge}, "exactly where the layout is upstream's"),
            ({"tokenizer": Tokenizer(kind="model", file="t.model")}, "not among files"),
            ({"files": BRIDGED.files * 2}, "listed twice"),
        ],
    )
    def test_one_that_makes_no_sense_is_refused(self, changes: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            Entry.model_validate({**dict(entry(WORDS)), **changes})

    def test_a_model_that_a_bridge_leads_to_needs_one(self) -> None:
        loader = Driven(script="train.py", loop="eval_val_ttt")
        score = Score(loader=loader, sequence_length=256, stride=64)
        entered = Entry.model_validate({**dict(BRIDGED), "score": score})
        assert entered.needs_preparation
        with pytest.raises(ValidationError, match="which a bridge must lead to"):
            entry(WORDS, score=score)
        other = score.model_copy(update={"loader": Driven(script="no.py", loop="f")})
        with pytest.raises(ValidationError, match="script: not among files"):
            Entry.model_validate({**dict(BRIDGED), "score": other})

    @pytest.mark.parametrize(
        "changes",
        [
            {"streams": "documents"},
            {"rows": 16},
            {"study_after": (10,), "segment": 64},
            {"streams": "documents", "rows": 16, "study_after": (10,)},
            {"streams": "documents", "rows": 16, "segment": 64, "study_after": (20, 10)},
            {"streams": "documents", "rows": 16, "segment": 64, "study_after": (0, 10)},
            {"stride": 257},
        ],
    )
    def test_what_is_asked_fits_its_streams(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match=r"rows|study_after|stride"):
            Score.model_validate({**dict(MADE.entry.score), **changes})


def test_a_proof_of_a_tokenizer_proves_or_complains() -> None:
    assert tokenizer_proof(MADE, problem="no such model", vocabulary_size=None, dataset_digest="")
    for changes in ({"vocabulary_size": None}, {"dataset_digest": ""}, {"document": 3}):
        with pytest.raises(ValidationError, match="problem"):
            tokenizer_proof(MADE, **changes)


# -- What earlier tries leave.

SPENDING = strict_track(
    significance=strict_track().significance.model_copy(update={"spending": True})
)
TWO_LOOKS = PlannedTest(
    margin_nats_per_token=0.005,
    p_below=0.01,
    looks=(Look(runs=1), Look(runs=3, accept_below=0.005), Look(runs=8, accept_below=0.005)),
)


@given(st.integers(0, 10_000))
def test_after_so_many_tries_every_level_is_lower_by_the_same(earlier: int) -> None:
    left = TWO_LOOKS.after(earlier)
    factor = 6 / (math.pi**2 * (earlier + 1) ** 2)
    assert left.p_below == pytest.approx(0.01 * factor)
    levels = [look.accept_below for look in left.looks]
    assert levels == [None, pytest.approx(0.005 * factor), pytest.approx(0.005 * factor)]
    assert [look.runs for look in left.looks] == [1, 3, 8]


def test_all_tries_together_stay_below_the_level() -> None:
    levels = [TWO_LOOKS.after(earlier).p_below for earlier in range(10_000)]
    assert 0.00999 < math.fsum(levels) < 0.01


@pytest.mark.parametrize("p_below", [0.01, 0.006079271, 0.0001])
def test_a_plan_at_another_level_than_its_tries_leave_is_refused(p_below: float) -> None:
    made = plan(SPENDING, tries=Tries(by_author=1))
    assert Plan.model_validate_json(made.model_dump_json()) == made
    test = planned_test(SPENDING, p_below=p_below)
    with pytest.raises(
        ValidationError, match=r"test\.p_below: found .* expected 0\.00151982: what"
    ):
        Plan.model_validate({**dict(made), "test": test})


def test_so_is_one_of_a_look() -> None:
    looks = (Look(runs=2, accept_below=0.005), Look(runs=3, accept_below=0.005))
    asked = Significance(margin_nats_per_token=0.005, p_below=0.01, looks=looks, spending=True)
    track = strict_track(significance=asked)
    whole = planned_test(
        track, looks=tuple(Look(runs=look.runs, accept_below=look.accept_below) for look in looks)
    )
    assert whole is not None
    tries = Tries(by_author=1)
    assert plan(track, tries=tries, test=whole.after(1)).test == whole.after(1)
    kept = whole.after(1).model_copy(update={"looks": whole.looks})
    with pytest.raises(ValidationError, match=r"test\.looks: found 0\.005, expected 0\.000759909"):
        plan(track, tries=tries, test=kept)
