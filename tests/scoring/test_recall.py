"""Windows asked in another order: what a model remembers shows, what it was given does not."""

import pytest

from tests.scoring.conftest import Played, make_stream
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
