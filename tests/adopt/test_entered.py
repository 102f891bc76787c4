"""How a script is entered on a track, by what learns in it while it scores."""

from pathlib import Path

import pytest

from harness.adopt.entered import entered
from harness.adopt.find_bridge import adopt
from harness.contest.bridge import Bridge
from harness.contest.entry import Driven, Score, TakeOver
from harness.contest.track import Adaptive, Track, load_track
from tests.adopt.scripts import PLAIN, SCORE, SLIDE, SLIDING, record, script
from tests.adopt.test_find_bridge import CHUNKS, TTT

ON = "```\nTTT_ENABLED=1 torchrun train_gpt.py\n```\n"


def score_of(folder: Path, track: Track, *, adaptive: bool = True, **evaluation: object) -> Score:
    """How it is scored; ``evaluation`` changes what was found."""
    text = script(functions=PLAIN + SLIDING + CHUNKS, score=SCORE + SLIDE + TTT)
    found = record(folder, train_gpt__py=text, README__md=ON)
    bridge = adopt(found).bridge
    assert bridge is not None and bridge.evaluation is not None
    changed = bridge.evaluation.model_copy(update=evaluation)
    bridge = Bridge.model_validate(bridge.model_copy(update={"evaluation": changed}).model_dump())
    track = track.model_copy(update={"adaptive": Adaptive(allowed=adaptive)})
    return entered(found, bridge, track).entry.score


@pytest.mark.parametrize(("track", "segment"), [("smoke", 2048), ("10min_16mb", 32768)])
def test_a_loop_that_learns_from_chunks_is_driven_by_them(
    tmp_path: Path, track: str, segment: int
) -> None:
    score = score_of(tmp_path, load_track(track))
    assert score.loader == Driven(script="train_gpt.py", loop="eval_val_sliding_ttt")
    assert (score.segment, score.streams, score.adaptive) == (segment, "corpus", True)


@pytest.mark.parametrize(
    ("adaptive", "evaluation", "rests_on"),
    [
        (False, {}, "chunks"),
        (True, {"chunk": 1000}, "chunks"),
        (True, {"learns": "documents"}, "documents"),
    ],
)
def test_what_cannot_be_driven_rests_on_what_it_learns(
    tmp_path: Path, adaptive: bool, evaluation: dict[str, object], rests_on: str
) -> None:
    score = score_of(tmp_path, load_track("10min_16mb"), adaptive=adaptive, **evaluation)
    assert isinstance(score.loader, TakeOver)
    assert (score.loader.rests_on, score.segment) == (rests_on, None)
