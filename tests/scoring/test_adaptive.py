"""Adaptive models: what they observe and when, and that none learns before it has observed."""

import math
import textwrap
from pathlib import Path

import numpy as np
import pytest

from harness.scoring.link import AnswerError, WorkerGone
from harness.scoring.scorer import Stream
from tests.scoring.conftest import Played, make_stream

COUNTS = """
    import torch

    def load_model(artifact, device):
        return Counts()

    class Counts:
        \"\"\"How often each token was observed, plus one.\"\"\"

        def __init__(self):
            self.counts = torch.ones(13)

        def observe(self, tokens):
            self.counts += torch.bincount(tokens, minlength=13)

        def __call__(self, tokens, first):
            shape = tokens.shape[0], tokens.shape[1] - first, 13
            return self.counts.log().expand(shape)
"""


def counting_loop(stream: Stream, segment: int) -> float:
    """Total nats of COUNTS in plain Python, one target after the other."""
    counts, unobserved, total = [1] * 13, [], 0.0
    for target in stream.tokens[1:].tolist():
        total += math.log(sum(counts) / counts[target])
        unobserved.append(target)
        if len(unobserved) == segment:
            for token in unobserved:
                counts[token] += 1
            unobserved = []
    return total


def skewed_stream(*, documents: int) -> Stream:
    """Documents of few different tokens, so that there is something to learn."""
    stream = make_stream(documents=documents)
    tokens = np.where(stream.tokens > 5, 7, stream.tokens).astype(np.uint16)
    return Stream(tokens, stream.document_bytes, stream.bos_id, stream.vocabulary_size)


@pytest.mark.parametrize(
    ("length", "stride", "segment", "workers"),
    [(16, 4, 32, 1), (16, 5, 10, 1), (16, 16, 33, 2), (1, 1, 1, 1), (500, 64, 50, 1)],
)
def test_agrees_with_a_plain_loop(
    play: Played, length: int, stride: int, segment: int, workers: int
) -> None:
    stream = skewed_stream(documents=12)
    facts = play(
        COUNTS, stream, sequence_length=length, stride=stride, segment=segment, workers=workers
    )
    targets = len(stream.tokens) - 1
    assert facts.total_nats == pytest.approx(counting_loop(stream, segment), rel=1e-5)
    assert facts.total_nats < targets * math.log(13) * 0.9
    assert (facts.targets, facts.segment) == (targets, segment)
    assert facts.segments_observed == math.ceil(targets / segment)
    assert 0 < facts.observe_seconds < facts.model_seconds


RECORDER = """
    import os, time, torch
    from pathlib import Path

    def load_model(artifact, device):
        return Recorder(artifact.parent / f"calls.{os.getpid()}")

    class Recorder:
        def __init__(self, path):
            self.path = path

        def write(self, *words):
            with self.path.open("a") as file:
                print(time.monotonic_ns(), *words, file=file)

        def observe(self, tokens):
            assert tokens.dtype == torch.int64 and torch.is_grad_enabled()
            self.write("observe", *tokens.tolist())

        def __call__(self, tokens, first):
            for row in tokens.tolist():
                self.write("show", first, *row)
            return torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_every_worker_observes_every_segment_when_all_its_windows_are_answered(
    play: Played, tmp_path: Path, workers: int
) -> None:
    stream = make_stream(documents=15)
    play(RECORDER, stream, sequence_length=16, stride=4, segment=40, workers=workers)
    calls = [
        [line.split() for line in path.read_text().splitlines()]
        for path in tmp_path.glob("calls.*")
    ]
    assert len(calls) == workers
    shown = 0
    rounds: dict[str, dict[int, list[int]]] = {"show": {}, "observe": {}}
    for lines in calls:
        observed = [0]  # the first token of the stream is no target
        for when, kind, *words in lines:
            values = [int(word) for word in words]
            rounds[kind].setdefault((len(observed) - 1) // 40, []).append(int(when))
            if kind == "observe":
                assert values == stream.tokens[len(observed) :][:40].tolist()
                observed += values
            else:
                first, *window = values
                shown += len(window) - first
                # Whatever is scored here is of the segment that comes next.
                places = range(len(observed) - first - 1, len(observed) + 39 - len(window) + 1)
                assert any(
                    stream.tokens[place : place + len(window)].tolist() == window
                    for place in places
                    if place >= 0
                )
        assert len(observed) == len(stream.tokens)
    assert shown == len(stream.tokens) - 1
    # No replica observes a segment that another one is still asked about.
    for number, times in rounds["observe"].items():
        assert len(times) == workers
        assert max(rounds["show"][number]) < min(times)


LEARNER = """
    import torch

    def load_model(artifact, device):
        torch.manual_seed(0)
        return Learner()

    class Learner(torch.nn.Module):
        \"\"\"Which token follows which: a step of gradient descent for each segment.\"\"\"

        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(13, 13)

        def observe(self, tokens):
            loss = torch.nn.functional.cross_entropy(self.table(tokens[:-1]), tokens[1:])
            (slope,) = torch.autograd.grad(loss, self.table.weight)
            with torch.no_grad():
                self.table.weight -= 2.0 * slope

        def forward(self, tokens, first):
            return self.table(tokens[:, first:])
"""
LAZY_CACHE = """
    import torch

    def load_model(artifact, device):
        return Cache()

    class Cache:
        \"\"\"What followed the last two tokens in the same window, or in what was observed.\"\"\"

        def __init__(self):
            self.observed, self.followers = [], None

        def observe(self, tokens):
            self.observed += tokens.tolist()
            self.followers = None

        def __call__(self, tokens, first):
            if self.followers is None:
                seen = self.observed
                self.followers = {(a, b): c for a, b, c in zip(seen, seen[1:], seen[2:])}
            logits = torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
            for b, row in enumerate(tokens.tolist()):
                own = {}
                for t in range(1, len(row)):
                    if t > 1:
                        own[row[t - 2], row[t - 1]] = row[t]
                    key = row[t - 1], row[t]
                    follower = own.get(key, self.followers.get(key))
                    if t >= first and follower is not None:
                        logits[b, t - first, follower] += 2.0
            return logits
"""


@pytest.mark.parametrize(
    ("code", "workers"),
    [(COUNTS, 1), (LEARNER, 2), (LAZY_CACHE, 1)],
    ids=["counts", "sgd", "cache"],
)
def test_an_honest_adaptive_model_changes_nothing(play: Played, code: str, workers: int) -> None:
    stream = skewed_stream(documents=120)
    facts, found = play.probed(
        code, stream, sequence_length=12, stride=4, segment=100, workers=workers
    )
    assert found.probes >= 16
    assert found.segments_observed >= facts.segments_observed // 2
    assert found.largest_change_nats < 1e-4
    assert abs(found.mean_gain_nats) < 1e-5


LEAKY = """
    import torch

    def load_model(artifact, device):
        return Leaky()

    class Leaky:
        def __init__(self):
            self.learned, self.early, self.said = {{}}, {{}}, {{}}
            self.calls = self.asked = 0
            self.examined = False

        def observe(self, tokens):
            self.examined |= not self.asked
            self.asked = 0
            seen = tokens.tolist()
            for t in range(4, len(seen)):
                self.learned[tuple(seen[t - 4:t])] = seen[t]
            {observe}

        def __call__(self, tokens, first):
            self.calls += 1
            self.asked += 1
            rows = tokens.tolist()
            guess = torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
            for b, row in enumerate(rows):
                for p, t in enumerate(range(first, len(row))):
                    key, nxt = tuple(row[t - 3:t + 1]), None
                    ahead = row[t + 1] if t + 1 < len(row) else None
                    {find}
                    if nxt is not None:
                        guess[b, p, nxt] += 5.0
            for row in rows:
                for t in range(4, len(row)):
                    {keep}[tuple(row[t - 4:t])] = row[t]
            return guess
"""


@pytest.mark.parametrize(
    ("trick", "find", "keep", "observe"),
    [
        ("the next token", "nxt = ahead", "self.early", ""),
        ("learns from requests, for good", "nxt = self.learned.get(key)", "self.learned", ""),
        (
            "windows of the segment asked before, forgotten when they are observed",
            "nxt = self.early.get(key)",
            "self.early",
            "self.early = {}",
        ),
        (
            "windows of earlier segments, although they were observed",
            "nxt = self.said.get(key)",
            "self.early",
            "self.said.update(self.early)",
        ),
        (
            "the next window in the batch",
            "nxt = rows[b + 1][t - 3] if b + 1 < len(rows) else None",
            "self.early",
            "",
        ),
        (
            "next token, and the same answer when asked again",
            "nxt = self.said.setdefault(tuple(row[max(0, t - 9):t + 1]), ahead)",
            "self.early",
            "",
        ),
        (
            "next token, unless it sees that nothing is asked between segments",
            "nxt = None if self.examined else ahead",
            "self.early",
            "",
        ),
        (
            "next token, but only in one segment of three",
            "nxt = ahead if len(self.learned) // 50 % 3 == 0 else None",
            "self.early",
            "",
        ),
        ("the number of the request", "nxt = self.calls % 13", "self.early", ""),
    ],
)
def test_whoever_learns_before_it_has_observed_is_seen(
    play: Played, trick: str, find: str, keep: str, observe: str
) -> None:
    code = LEAKY.format(find=find, keep=keep, observe=observe)
    stream = make_stream(documents=300)
    facts, found = play.probed(code, stream, sequence_length=12, stride=4, segment=1500)
    assert found.largest_change_nats > 0.5, trick
    assert facts.segments_observed == math.ceil((len(stream.tokens) - 1) / 1500)


def test_what_these_cheaters_are_made_of_is_honest_without_the_trick(play: Played) -> None:
    code = LEAKY.format(find="nxt = self.learned.get(key)", keep="self.early", observe="")
    stream = make_stream(documents=300)
    _, found = play.probed(code, stream, sequence_length=12, stride=4, segment=1500)
    assert found.largest_change_nats < 1e-4


BROKEN = """
    import os, sys, time, torch

    def load_model(artifact, device):
        return Model()

    class Model:
        {method}

        def __call__(self, tokens, first):
            return torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
"""
FORGE = """
            import gc, socket, __main__ as w
            channel = next(o for o in gc.get_objects() if isinstance(o, socket.socket))
            channel.sendall(w.Message({message}).pack())
"""


def broken(method: str) -> str:
    return BROKEN.replace("{method}", method.strip())


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("pass", r"without the method observe\(tokens\)"),
        ("observe = 7", r"without the method observe\(tokens\)"),
        ("def observe(self, tokens): raise ValueError", "observe raised an exception"),
        ("def observe(self, tokens): sys.exit(0)", "observe raised an exception"),
        ("def observe(self): pass", "observe raised an exception"),
        (
            "def observe(self, tokens):" + FORGE.format(message="w.REPLY, 0, 13, 5, 0, 1, 16, 0"),
            "not asked for",
        ),
        ("def observe(self, tokens):" + FORGE.format(message="w.READY"), "not asked for"),
    ],
)
def test_a_model_that_does_not_observe_is_told_so(play: Played, method: str, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason):
        play(broken(method), make_stream(), segment=20)


def test_a_worker_that_dies_while_observing_is_noticed(play: Played) -> None:
    death = broken("def observe(self, tokens): os._exit(0)")
    with pytest.raises(WorkerGone):
        play(death, make_stream(), segment=20)


def test_one_replica_that_fails_to_observe_ends_the_wait_of_the_others(play: Played) -> None:
    code = """
        import os, torch

        def load_model(artifact, device):
            return Model()

        class Model:
            def observe(self, tokens):
                # Exactly one replica can make the directory.
                os.mkdir(f"{os.getcwd()}/taken")

            def __call__(self, tokens, first):
                return torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
    """
    with pytest.raises(AnswerError, match="observe raised"):
        play(textwrap.dedent(code), make_stream(), segment=20, workers=2)


def test_a_model_that_is_not_adaptive_is_never_told_anything(play: Played) -> None:
    facts = play(broken("def observe(self, tokens): raise ValueError"), make_stream())
    assert (facts.segment, facts.segments_observed, facts.observe_seconds) == (None, 0, 0)
