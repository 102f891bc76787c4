"""Rules of a contest to simulate, as a track writes them."""

from typing import Any

from harness.contest.significance import Significance
from harness.contest.track import Track, load_track
from harness.simulation.procedure import Procedure, procedure_of

SD = 0.0007
MARGIN = 0.002961281
"""BPB of 0.005 nats a token on the field's validation text in its 1,024 tokens."""

LOOKS = (
    {"runs": 1, "hopeless_above_sd": 3.0},
    {"runs": 2, "hopeless_above_sd": 1.5},
    {"runs": 3, "accept_below": 0.005, "hopeless_above_sd": 0.5},
    {"runs": 5, "hopeless_above_sd": 0.0},
    {"runs": 8, "accept_below": 0.005},
)
OFFICIAL: dict[str, Any] = {
    "margin_nats_per_token": 0.005,
    "p_below": 0.01,
    "test": "moderated",
    "field_sd_bpb": SD,
    "field_degrees": 4,
    "source": "279 published sets of seeds",
    "looks": LOOKS,
    "confirmation": 3,
}
PLAIN: dict[str, Any] = {"seeds": 3, "margin_nats_per_token": 0.005, "p_below": 0.01}
WELCH: dict[str, Any] = {**PLAIN, "seeds": 5, "test": "welch", "confirmation": 3}


def procedure(rules: dict[str, Any] = OFFICIAL, **changes: Any) -> Procedure:
    """The procedure that these rules ask for; a change to None leaves a setting out."""
    asked = Significance.model_validate({**rules, **changes})
    return procedure_of(asked, margin_bpb=MARGIN)


def official_track(**changes: Any) -> Track:
    """The official track with these rules, whatever its file says."""
    asked = Significance.model_validate({**OFFICIAL, **changes})
    return load_track("10min_16mb").model_copy(update={"significance": asked})
