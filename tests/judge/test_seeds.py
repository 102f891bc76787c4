"""The rule ``seeds``: drawn, all run, and each run shown what the plan imposes."""

from typing import Any

import pytest

from harness.contest.track import Imposed, Track, load_track
from harness.evidence.plan import Plan
from harness.evidence.results import MOST_DOCUMENTS
from harness.judge.verdict import Verdict
from harness.models import Finding
from tests.factories.broken import OWN_TOKENIZER
from tests.factories.plans import plan, strict_track
from tests.factories.results import failure, phase, shown, tokenizer_proof
from tests.factories.runs import good_runs, preparation, seed_run, verdict_of, with_first

IMPOSING = strict_track(imposed=Imposed(denied_share=0.1))
MADE = plan(IMPOSING)
FIRST, SECOND, _ = MADE.draws


def seeds(verdict: Verdict) -> Finding:
    return next(check for check in verdict.checks if check.id == "seeds")


def test_what_the_plan_imposes_is_verified_and_said() -> None:
    verdict = verdict_of(MADE, good_runs(MADE))
    assert verdict.verdict == "VERIFIED"
    assert "each denied 10% of the train documents" in seeds(verdict).detail


def _of_another_seed() -> Any:
    other = shown(MADE, SECOND)
    assert other is not None
    return shown(MADE, FIRST, recipe_sha256=other.recipe_sha256)


def _of_another_plan() -> Any:
    other = shown(plan(IMPOSING, nonce="another"), FIRST)
    assert other is not None
    return shown(MADE, FIRST, recipe_sha256=other.recipe_sha256)


def _of_another_share() -> Any:
    return shown(plan(strict_track(imposed=Imposed(denied_share=0.2))), FIRST)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        _of_another_seed(),
        _of_another_plan(),
        _of_another_share(),
        shown(MADE, FIRST, recipe_sha256="0" * 64),
        shown(MADE, FIRST, documents=400, denied_documents=0),
        shown(MADE, FIRST, documents=401),
        shown(MADE, FIRST, files=2),
        shown(MADE, FIRST, tokens=3_000_000),
        # Nothing is drawn for so many, since no dataset of so few tokens holds them.
        shown(MADE, FIRST, documents=MOST_DOCUMENTS, denied_documents=MOST_DOCUMENTS // 9),
    ],
    ids=["nothing", "seed", "plan", "share", "recipe", "denied", "more", "files", "tokens", "most"],
)
def test_a_run_that_was_shown_something_else_is_inconclusive(wrong: Any) -> None:
    verdict = verdict_of(MADE, with_first(MADE, shown=wrong))
    assert verdict.verdict == "INCONCLUSIVE"
    assert [check.id for check in verdict.checks if check.status != "pass"] == ["seeds"]
    assert f"seed {FIRST.seed}: what it was shown is not what the plan imposes" in (
        seeds(verdict).detail
    )


def test_where_nothing_is_imposed_nothing_may_be_denied() -> None:
    bare = plan()
    verdict = verdict_of(bare, with_first(bare, shown=shown(MADE, FIRST)))
    assert seeds(verdict).status == "unknown"
    assert "imposes" in seeds(verdict).detail


@pytest.mark.parametrize(
    ("made", "judged_under", "status"),
    [
        (plan(), IMPOSING, "unknown"),
        (plan(strict_track(imposed=Imposed(denied_share=0.2))), IMPOSING, "unknown"),
        (MADE, strict_track(), "pass"),
    ],
    ids=["none", "another share", "more than is asked"],
)
def test_a_track_that_imposes_is_not_met_by_a_plan_that_did_not(
    made: Plan, judged_under: Track, status: str
) -> None:
    verdict = verdict_of(made, good_runs(made), track=judged_under)
    assert seeds(verdict).status == status
    if status == "unknown":
        assert "the track denies each run 10% of the train documents" in seeds(verdict).detail


def test_a_training_that_led_to_nothing_was_shown_nothing_that_counts() -> None:
    lost = failure("infrastructure", "training", "the disk is full")
    verdict = verdict_of(MADE, with_first(MADE, failure=lost))
    assert "imposes" not in seeds(verdict).detail
    killed = phase("train", outcome="deadline", exit_code=137)
    verdict = verdict_of(MADE, with_first(MADE, train=killed, artifact=None, shown=None))
    assert "imposes" in seeds(verdict).detail


def test_own_tokens_are_counted_in_their_own() -> None:
    made = plan(IMPOSING, entry=OWN_TOKENIZER.entry)
    proof = tokenizer_proof(made, train_tokens=7_000_000)
    runs = [
        seed_run(draw, bpb, shown=shown(made, draw, tokens=6_300_000, denied_tokens=700_000))
        for draw, bpb in zip(made.draws_for("look"), (2.61, 2.62, 2.60), strict=True)
    ]
    assert verdict_of(made, [preparation(made, tokenizer=proof), *runs]).verdict == "VERIFIED"
    few = tokenizer_proof(made, train_tokens=6_999_999)
    assert seeds(verdict_of(made, [preparation(made, tokenizer=few), *runs])).status == "unknown"


def test_rehearsals_and_the_contest_impose_alike() -> None:
    for name in ("smoke", "10min_16mb"):
        assert load_track(name).imposed == Imposed(denied_share=0.1)
