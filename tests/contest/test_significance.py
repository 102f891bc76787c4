"""The significance that a track asks for: settings that contradict each other are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from harness.contest.significance import Look, Significance

LOOKS = (
    {"runs": 1, "hopeless_above_sd": 3.0},
    {"runs": 3, "accept_below": 0.005, "hopeless_above_sd": 0.5},
    {"runs": 8, "accept_below": 0.005},
)
WHOLE: dict[str, Any] = {
    "margin_nats_per_token": 0.005,
    "p_below": 0.01,
    "test": "moderated",
    "field_sd_bpb": 0.0007,
    "field_degrees": 4,
    "source": "published seeds",
    "looks": LOOKS,
    "confirmation": 3,
}


def test_looks_say_when_it_ends() -> None:
    asked = Significance.model_validate(WHOLE)
    assert (asked.fewest_runs, asked.most_runs) == (3, 8)


def test_seeds_alone_are_one_look_after_all_of_them() -> None:
    asked = Significance(seeds=5, margin_nats_per_token=0.005, p_below=0.01)
    assert asked.schedule == (Look(runs=5, accept_below=0.01),)
    assert (asked.fewest_runs, asked.most_runs) == (5, 5)
    assert "test" not in asked.model_dump_json()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": 3}, "exactly one of seeds and looks"),
        ({"looks": None}, "exactly one of seeds and looks"),
        ({"p_below": 0.6}, "less than 0.5"),
        ({"p_below": None, "margin_nats_per_token": None}, "only where there is a p_below"),
        ({"p_below": 0.009}, "accept_below is 0.01 in sum, p_below 0.009"),
        ({"field_sd_bpb": 0}, "greater than 0"),
        ({"field_sd_bpb": None}, "needs field_sd_bpb"),
        ({"field_degrees": None}, "needs field_sd_bpb, field_degrees and their source"),
        ({"source": None}, "needs field_sd_bpb, field_degrees and their source"),
        ({"test": None, "field_sd_bpb": None}, "only beside field_sd_bpb"),
        ({"looks": [LOOKS[1], LOOKS[0], LOOKS[2]]}, "runs must grow"),
        ({"looks": LOOKS[:1]}, "1 seed before a test|needs accept_below"),
        ({"looks": [*LOOKS[:2], {"runs": 8}]}, "last one, after 8 runs, needs accept_below"),
        ({"looks": [{"runs": 1, "accept_below": 0.01}]}, "a t-test needs at least 2"),
        ({"looks": []}, "at least 1"),
        ({"confirmation": 1}, "greater than or equal to 2"),
    ],
)
def test_contradictions_are_refused_in_a_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Significance.model_validate({**WHOLE, **change})
