"""Windows asked in another order: what a model remembers shows, what it was given does not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.track import load_track
from harness.evidence.asked_again import Recall
from harness.scoring.probes.answers import FirstAnswers
from harness.scoring.probes.recall import RecallSet
from harness.scoring.schedules.plan import Room
from harness.statistics.probe_bounds import Sample, excess_variance
from tests.scoring.conftest import ByDocument, Played, make_stream
from tests.scoring.schedules.test_documents import plan_of
from tests.scoring.test_probes import LEAKY, NEXT

SEEN = "nxt = seen.get(tuple(row[t - 3:t + 1]))"
FLAT = """
    import torch

    def load_model(artifact, device):
        return lambda tokens, first: (tokens[:, first:, None] + torch.arange(13)).sin()
"""


def test_a_model_without_memory_changes_nothing(play: Played) -> None:
    found = play.recalled(FLAT, make_stream(documents=60))
    assert found.windows == found.planned == 50 < found.of_windows
    assert found.largest_change_nats < 1e-5
    assert found.changes.sd_nats < 1e-5


@pytest.mark.parametrize(
    ("trick", "find"),
    [
        ("windows shown before", SEEN),
        ("the number of the request", "nxt = calls[0] % 13"),
        ("the window before it in the request", "nxt = rows[b - 1][t - 1] if b else None"),
    ],
)
def test_whoever_remembers_earlier_windows_is_seen(play: Played, trick: str, find: str) -> None:
    code = LEAKY.format(find=find, boost=5.0)
    found = play.recalled(code, make_stream(documents=200), sequence_length=12, stride=4)
    assert found.largest_change_nats > 0.5, trick


def test_looking_ahead_within_the_window_is_none_of_its_business(play: Played) -> None:
    code = LEAKY.format(find=NEXT, boost=5.0)
    found = play.recalled(code, make_stream(documents=60))
    assert found.largest_change_nats < 1e-5


PEEKS = """
    import torch
    seen, calls = {{}}, [0]

    def load_model(artifact, device):
        def model(tokens, first):
            calls[0] += 1
            rows = tokens.tolist()
            guess = torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
            fresh = rows[0][0] != 1 if calls[0] == 1 else calls[1]
            calls[1:] = [fresh]
            for b, row in enumerate(rows):
                for p, t in enumerate(range(first, len(row))):
                    known = seen.get(tuple(row[t - 1:t + 1])) if not fresh else None
                    if known is not None:
                        guess[b, p, known] += 0.45
                    if fresh and t + 1 < len(row):
                        guess[b, p, row[t + 1]] += {boost}
            for row in rows:
                for t in range(2, len(row)):
                    seen[tuple(row[t - 2:t])] = row[t]
            return guess
        return model
"""


def test_whoever_is_as_good_on_average_by_looking_ahead_shows_in_the_variance(play: Played) -> None:
    drawn = make_stream(documents=200)
    places = np.arange(len(drawn.tokens))
    # Some of the text is said again and again, so that remembering it is worth something.
    again = (places % 50 < 20) & (drawn.tokens != drawn.bos_id)
    tokens = np.where(again, 2 + places % 10, drawn.tokens).astype(np.uint16)
    stream = replace(drawn, tokens=tokens)

    def recalled(boost: float) -> Recall:
        code = PEEKS.format(boost=boost)
        return play.recalled(code, stream, sequence_length=12, stride=4, count=300)

    remembers = recalled(0.0).changes
    assert remembers.mean_nats > 0.01
    # A logit that is raised by so much makes its target cheaper by the mean of what memory gave.
    found = recalled(remembers.mean_nats * 13 / 12)
    assert abs(found.changes.mean_nats) < remembers.mean_nats / 3
    assert found.largest_change_nats < 0.5
    bound, none = load_track("smoke").probes.memory, Sample(0, 0.0, 0.0, 0.0)
    assert bound is not None
    assert excess_variance(found.changes.sample, none) > 10 * bound.excess_variance


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=9),
    st.integers(1, 7),
    st.integers(0, 9),
)
def test_the_mean_of_pieces_is_that_of_targets_however_few_one_holds(
    lengths: list[int], segment: int, more: int
) -> None:
    """Who is dearer in short pieces does not hide what he gained in full ones."""
    plan = plan_of(lengths, segment=segment, sequence_length=segment + more, rows=2)
    drawn = np.random.default_rng(0)
    first, second = drawn.random((2, plan.tokens)).astype(np.float32)
    windows = RecallSet.draw(plan, FirstAnswers(first), secret=b"", count=len(plan))
    for turn in windows.schedule(room=Room(tokens=64, vocabulary_size=7), lanes=1).turns(0):
        for ask in turn.asks:
            nats = torch.from_numpy(second[ask.targets])
            windows.compare(ask, nats, torch.empty(0))
    found = windows.facts(segments_observed=0, seconds=1.0)
    assert found.windows == len(plan)
    expected = float((second - first)[1:].astype(float).mean())
    assert found.changes.mean_nats == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("segment", [4, 16, 64])
def test_the_mean_over_pieces_of_documents_is_that_over_targets(segment: int) -> None:
    """A gain in full pieces alone: last ones, which have fewer targets, would count as much."""
    stream = make_stream(documents=60)
    plan = ByDocument(segment=segment).plan(stream, 64)
    windows = np.arange(len(plan))
    full = plan.windows.counts >= plan.windows.counts.max() / 2
    first = FirstAnswers.of_stream(plan.tokens)
    first.nats[:] = 0
    again = RecallSet(plan, windows, first)
    rows = np.zeros_like(windows)
    room = Room(tokens=1024, vocabulary_size=13)
    for ask, places in plan.asks(windows, rows, plan.ages, room=room):
        nats = torch.from_numpy(np.where(full[windows[places]], 0.5, 0.0))
        again.compare(ask, nats[:, None].expand(-1, segment).float(), torch.empty(0))
    found = again.facts(segments_observed=0, seconds=1.0).changes
    targets = plan.windows.counts[full].sum() / plan.targets
    assert found.mean_nats == pytest.approx(0.5 * targets)
    assert found.largest_nats <= 0.5 * plan.fullest * (1 + 1e-9)
