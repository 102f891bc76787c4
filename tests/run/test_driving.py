"""What is told of a stream to a loop that is driven: how long it is, and nothing else."""

import json

import pytest

from harness.errors import InfrastructureError
from harness.inside.upstream.drive import Driving
from harness.run.driving import Drive, drive_of
from harness.run.script_job import settings_of
from tests.inside.upstream.driving import bridge_to


def driven(tokens: int, *, context: int = 16) -> Drive:
    return drive_of(bridge_to(), segment=32, context=context, tokens=tokens, first=7, decoy=97)


@pytest.mark.parametrize(("tokens", "length"), [(161, 161), (170, 161), (17, 17), (9, 9)])
def test_a_loop_sees_as_many_tokens_as_its_script_would_leave_it(tokens: int, length: int) -> None:
    assert driven(tokens).length == length


def test_ours_reads_it_as_it_is_told() -> None:
    settings = settings_of(bridge_to(), seed=1, run_id="run", drive=driven(161))
    told = json.loads(json.dumps(settings))
    assert told["evaluation"] == "eval_val_ttt"
    assert tuple(Driving(**told["drive"])) == tuple(driven(161))
    frozen = settings_of(bridge_to(), seed=1, run_id="run")
    assert (frozen["evaluation"], frozen["drive"]) == ("eval_val", None)


def test_a_bridge_without_a_loop_cannot_be_driven() -> None:
    with pytest.raises(InfrastructureError, match="does not name the loop"):
        drive_of(bridge_to(loop=""), segment=32, context=16, tokens=161, first=7, decoy=97)
