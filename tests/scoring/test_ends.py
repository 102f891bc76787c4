"""Whether anything but a document's past tells that it ends: what requests are like, and when."""

import textwrap

import pytest

from tests.scoring.conftest import ByDocument, Played, make_stream

# It learns how often a piece was a document's last, for each value of something that it sees, and
# spreads that chance over the piece's targets.
GUESSES = """
    import math, time
    import torch

    SEGMENT, V, BOS = 8, 13, 1

    class Model:
        def __init__(self):
            self.counts, self.open, self.ages = {}, {}, {}
            self.calls = self.resets = self.told = 0
            self.before = time.monotonic()

        def reset(self, rows):
            self.resets += 1
            for row in rows.tolist():
                self.ended(row, 1)
                self.ages[row] = 0

        def observe(self, rows, tokens, counts):
            self.told = len(rows)
            for row in rows.tolist():
                self.ended(row, 0)
                self.ages[row] += 1

        def ended(self, row, did):
            if row in self.open:
                pair = self.counts.setdefault(self.open.pop(row), [0.5, 2.0])
                pair[0] += did
                pair[1] += 1

        def __call__(self, tokens, firsts, rows):
            self.calls += 1
            now = time.monotonic()
            seconds, self.before = now - self.before, now
            logits = torch.zeros(len(tokens), SEGMENT, V)
            for b, row in enumerate(rows.tolist()):
                window, first = tokens[b].tolist(), int(firsts[b])
                age = self.ages.get(row, 0)
                seen = (age, SIGNAL)
                self.open[row] = seen
                ends, of = self.counts.get(seen, (0.5, 2.0))
                logits[b, :, BOS] = math.log(ends / of / SEGMENT * (V - 1))
            return logits

    def load_model(artifact, device):
        return Model()
"""
AGE = "0"
SIGNALS = {
    "its row": "row",
    "its place in the request": "b",
    "how many windows are asked together": "len(tokens)",
    "how long its window is": "tokens.shape[1]",
    "how many requests there were": "self.calls % 3",
    "how many documents began": "self.resets % 3",
    "how many rows were observed last": "self.told",
    "how long nothing was asked": "int(seconds > 0.001)",
}


def cost(play: Played, signal: str) -> float:
    """Total nats; all but the ends of documents cost the same, whatever is guessed."""
    code = textwrap.dedent(GUESSES).replace("SIGNAL", signal)
    how = ByDocument(segment=8, rows=4)
    return play(code, make_stream(documents=400), by_document=how, sequence_length=32).total_nats


@pytest.fixture(scope="module")
def by_age() -> dict[str, float]:
    """What is kept between tests: the cost of whoever knows a document's age alone."""
    return {}


@pytest.mark.long
@pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS.keys())
def test_nothing_that_is_seen_of_requests_tells_where_a_document_ends(
    play: Played, signal: str, by_age: dict[str, float]
) -> None:
    if AGE not in by_age:
        by_age[AGE] = cost(play, AGE)
    # Of 400 ends, a signal worth a hundredth of a bit each would show.
    assert cost(play, signal) > by_age[AGE] - 3.0


def test_text_that_begins_behind_the_last_target_does(play: Played) -> None:
    """That is what probes are for. Here text from elsewhere holds BOS, as documents do not."""
    assert cost(play, "BOS in window[1:]") < cost(play, AGE) - 30
