"""A run that makes no sense is no evidence: steps out of order, of another role, from nothing."""

import itertools
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.evidence.asked_again import Probes, Recall
from harness.evidence.phase import PhaseFacts
from harness.evidence.results import (
    BridgeProof,
    ClaimedScore,
    Gap,
    OwnEvaluation,
    Scores,
    Spread,
    TokenizerProof,
    Trained,
)
from harness.evidence.run import Run, StepFacts
from harness.evidence.step_names import StepName
from harness.evidence.steps import STEPS, step_of, steps_of
from tests.factories.broken import KILLED, PLAN
from tests.factories.results import (
    bridge_proof,
    evaluated_on_drawn,
    failure,
    gap,
    host,
    phase,
    probes,
    recall,
    scores,
    sealed,
    spread,
    tokenizer_proof,
    weights,
)
from tests.factories.runs import good_runs, seed_run

FIRST = PLAN.draws[0]
ORDER = [step.name for step in STEPS]
WHOLE = Trained(artifact=sealed(weights(1)), checkpoint=sealed(weights(2), "full.bin"))
RESULTS: dict[type, Any] = {
    Trained: WHOLE,
    Scores: scores(2.6),
    Probes: probes(),
    Recall: recall(),
    Spread: spread(),
    Gap: gap(),
    TokenizerProof: tokenizer_proof(PLAN),
    BridgeProof: bridge_proof(our=4.3),
    OwnEvaluation: evaluated_on_drawn(),
    ClaimedScore: ClaimedScore(val_bpb=1.1),
}
names = st.sampled_from(get_args(StepName))
roles = st.sampled_from(["preparation", "seed", "reproduction"])


def good(name: StepName) -> StepFacts:
    """A step that led to its result."""
    step = step_of(name)
    phases: tuple[PhaseFacts, ...] = (phase(name),) if step.runs_code else ()
    return StepFacts(name=name, phases=phases, result=RESULTS[step.result])


def run_of(role: str, steps: list[StepFacts]) -> Run:
    fields = {"draw": 0, "seed": 0, "role": role, "attempt": 1, "host": host(), "ended": True}
    return Run.model_validate({**fields, "steps": steps})


def makes_sense(role: str, chosen: list[StepName]) -> bool:
    """Whether steps that all led to their result are a run, said another way."""
    places = [ORDER.index(name) for name in chosen]
    return (
        places == sorted(set(places))
        and all(step_of(name).role == role for name in chosen)
        and all(step_of(name).needs <= set(chosen) for name in chosen)
    )


@given(
    roles, st.lists(names, max_size=6) | st.sets(names).map(lambda s: sorted(s, key=ORDER.index))
)
def test_steps_are_each_once_in_order_of_one_role_and_come_from_others(
    role: str, chosen: list[StepName]
) -> None:
    hold_to_its_steps(role, chosen)


@given(st.sets(st.sampled_from([step.name for step in steps_of("seed")])))
def test_any_steps_of_a_seed_run_that_have_what_they_need_are_one(chosen: set[StepName]) -> None:
    hold_to_its_steps("seed", sorted(chosen, key=ORDER.index))


def hold_to_its_steps(role: str, chosen: list[StepName]) -> None:
    steps = [good(name) for name in chosen]
    if makes_sense(role, chosen):
        run = run_of(role, steps)
        assert run.done == frozenset(chosen) and not run.lost and run.failure is None
        assert Run.model_validate_json(run.model_dump_json()) == run
    else:
        with pytest.raises(ValidationError, match=r"steps: |not a step of|given without"):
            run_of(role, steps)


@given(names, names)
def test_a_result_is_of_its_own_step_with_the_phases_it_comes_from(
    name: StepName, other: StepName
) -> None:
    step, result = step_of(name), RESULTS[step_of(other).result]
    phases = (phase("any"),) if step.runs_code else ()
    if step.result is step_of(other).result:
        assert StepFacts(name=name, phases=phases, result=result).done
    else:
        with pytest.raises(ValidationError, match="is no result of this step"):
            StepFacts(name=name, phases=phases, result=result)
    if step.runs_code is None:  # an entry may bring some for it
        assert StepFacts(name=name, phases=(phase("any"),), result=RESULTS[step.result]).done
        return
    turned = () if step.runs_code else (phase("any"),)
    if step.runs_code is None:  # where an entry brings some code for it
        assert StepFacts(name=name, phases=turned, result=RESULTS[step.result]).done
    else:
        with pytest.raises(ValidationError, match="phases"):
            StepFacts(name=name, phases=turned, result=RESULTS[step.result])


@given(names, st.sampled_from(["submission", "infrastructure"]))
def test_a_failure_stands_in_the_place_of_a_result(name: StepName, fault: str) -> None:
    why = failure(fault, step_of(name).finding)
    facts = StepFacts(name=name, failure=why)
    assert not facts.done
    phases = good(name).phases
    with pytest.raises(ValidationError, match="a failure beside its result"):
        StepFacts(name=name, phases=phases, result=RESULTS[step_of(name).result], failure=why)
    with pytest.raises(ValidationError, match="neither a result nor a failure"):
        StepFacts(name=name)


def test_a_normal_form_is_weighed_and_named_or_not_mentioned() -> None:
    plain = tokenizer_proof(PLAN)
    assert "normal_form" not in plain.model_dump_json()
    whole = tokenizer_proof(PLAN, normal_form_bytes=2348, normal_form_sha256="a" * 64)
    assert TokenizerProof.model_validate_json(whole.model_dump_json()) == whole
    for half in (
        {"normal_form_bytes": 2348, "normal_form_sha256": None},
        {"normal_form_sha256": "a" * 64},
    ):
        with pytest.raises(ValidationError, match="only one of them"):
            tokenizer_proof(PLAN, **half)


def test_a_training_that_failed_may_keep_its_timeline() -> None:
    why = failure("submission", "training")
    facts = StepFacts(name="train", phases=(phase("train"),), result=Trained(), failure=why)
    run = run_of("seed", [facts])
    assert run.failure == why and not run.done and not run.lost
    with pytest.raises(ValidationError, match="given without train"):
        run_of("seed", [facts, good("score")])


def test_nothing_follows_a_failure_that_ends_the_run() -> None:
    for step in steps_of("seed"):
        failed = StepFacts(name=step.name, failure=failure("submission", step.finding))
        before = [good(name) for name in _in_order(step.needs)]
        assert (run_of("seed", [*before, failed]).failure is not None) is step.decides
    probe = StepFacts(name="probe", failure=failure("submission", "causality"))
    with pytest.raises(ValidationError, match="none after a failure"):
        run_of("seed", [good("train"), good("score"), probe, good("spread")])


def _in_order(needed: frozenset[StepName]) -> list[StepName]:
    found: set[StepName] = set(needed)
    while more := {need for name in found for need in step_of(name).needs} - found:
        found |= more
    return [step.name for step in STEPS if step.name in found]


def test_what_is_scored_was_sealed() -> None:
    killed = StepFacts(name="train", phases=(KILLED,), result=Trained())
    assert run_of("seed", [killed]).artifact is None
    with pytest.raises(ValidationError, match="score: given without artifact"):
        run_of("seed", [killed, good("score")])
    alone = StepFacts(
        name="train", phases=(phase("train"),), result=Trained(artifact=WHOLE.artifact)
    )
    with pytest.raises(ValidationError, match="unquantized: given without checkpoint"):
        run_of("seed", [alone, good("score"), good("unquantized")])


def test_a_preparation_has_no_seed() -> None:
    run = run_of("preparation", [good("tokenize")])
    with pytest.raises(ValidationError, match="expected 0 of a preparation"):
        Run.model_validate({**dict(run), "seed": 7})


@pytest.mark.parametrize(
    ("ended", "fault", "lost"),
    [
        (False, None, True),
        (False, "submission", True),
        (True, None, False),
        (True, "submission", False),
        (True, "infrastructure", True),
    ],
)
def test_a_run_is_lost_by_our_side_alone(ended: bool, fault: str | None, lost: bool) -> None:
    why = failure(fault, "scoring") if fault else None
    assert seed_run(FIRST, failure=why, ended=ended).lost is lost


def test_a_step_that_informs_loses_nothing() -> None:
    whole = run_of("seed", [good(name) for name in ("train", "score")])
    failed = StepFacts(name="unquantized", failure=failure("infrastructure", "unquantized"))
    run = whole.plus(failed)
    assert run.failure is None and not run.lost


def test_a_step_more_is_held_to_the_same() -> None:
    run = good_runs(PLAN)[0]
    for facts in run.steps:
        with pytest.raises(ValidationError):
            run.plus(facts)
    for first, second in itertools.pairwise(run.steps):
        with pytest.raises(ValidationError):
            run_of("seed", [second, first])
