"""Probes: the same past among other sequences: no honest model notices, no cheat survives."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.track import Probes, load_track
from harness.evidence.results import TOLERATED_STANDARD_ERRORS
from harness.scoring.probes import ProbeSet
from harness.scoring.windows import WindowPlan
from tests.scoring.conftest import BIGRAM, PROBES, Played, make_stream


@st.composite
def probe_sets(draw: st.DrawFn) -> tuple[ProbeSet, np.ndarray]:
    length = draw(st.integers(1, 40))
    stride, segment = draw(st.integers(1, length)), draw(st.none() | st.integers(1, 99))
    plan = WindowPlan(draw(st.integers(2, 500)), length, stride, segment)
    tokens = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 50, plan.tokens)
    settings = Probes(
        rate=draw(st.floats(0, 1)),
        least=draw(st.integers(1, 60)),
        most=1000,
        longest_sequence=8192,
        largest_change_nats=0.5,
        mean_change_nats=0.1,
        mean_gain_nats=0.1,
    )
    ids = tokens.astype(np.uint16)
    secret = draw(st.binary(max_size=8))
    return ProbeSet.draw(plan, ids, secret=secret, settings=settings, vocabulary_size=50), ids


@given(probe_sets(), st.integers(1, 50))
def test_a_probe_repeats_its_window_up_to_the_cut(
    drawn: tuple[ProbeSet, np.ndarray], at_once: int
) -> None:
    probes, tokens = drawn
    windows = np.arange(len(probes.plan))
    true = {
        int(window): row
        for request in probes.plan.requests(windows, windows_at_once=at_once)
        for window, row in zip(request.windows, request.tokens(tokens), strict=True)
    }
    asked = 0
    for request in (r for round_ in probes.rounds(tokens, windows_at_once=at_once)
                    for r in round_.requests):  # fmt: skip
        assert len(request.windows) <= at_once
        rows, numbers = probes.among(request)
        assert rows.tolist() == list(range(len(request.windows)))
        for row, number in zip(request.tokens(tokens), numbers, strict=True):
            cut = probes.cuts[number]
            assert request.first <= cut < request.length
            assert (row[: cut + 1] == true[int(probes.windows[number])][: cut + 1]).all()
            target = probes.plan.windows.starts[probes.windows[number]] + cut + 1
            if cut + 1 < request.length:
                assert row[cut + 1] != tokens[target]
            asked += 1
    assert asked == len(probes.windows)


@given(probe_sets(), st.integers(1, 50))
def test_nothing_that_a_probe_hides_was_shown_before_its_answer_was_in(
    drawn: tuple[ProbeSet, np.ndarray], at_once: int
) -> None:
    probes, tokens = drawn
    plan = probes.plan
    observed = 0
    shown = np.zeros(plan.tokens + 1, bool)  # its own text, in rounds that are over, or observed
    for round_ in probes.rounds(tokens, windows_at_once=at_once):
        spans = [
            (int(start), int(start) + int(probes.cuts[number]), int(start) + request.length)
            for request in round_.requests
            for start, number in zip(request.starts, probes.among(request)[1], strict=True)
        ]
        for number, (_, end, hidden_until) in enumerate(spans):
            known = shown.copy()
            for start, until, _ in spans[:number] + spans[number + 1 :]:
                known[start : until + 1] = True
            assert not known[end + 1 : hidden_until + 1].any()
        for start, until, _ in spans:
            shown[start : until + 1] = True
        if round_.observed is not None:
            observed += len(round_.observed)
            shown[: 1 + observed] = True


def test_every_target_is_as_likely_as_any_other_whatever_the_windows() -> None:
    tokens = np.arange(400, dtype=np.uint16)
    for length, stride in ((10, 1), (10, 10), (399, 399)):
        plan = WindowPlan(400, length, stride)
        met = np.zeros(400, int)
        for secret in range(300):
            drawn = ProbeSet.draw(
                plan, tokens, secret=bytes([secret % 256, secret // 256]), settings=PROBES,
                vocabulary_size=400,
            )  # fmt: skip
            assert len(drawn.windows) >= PROBES.least
            met[plan.windows.starts[drawn.windows] + drawn.cuts + 1] += 1
        assert met[0] == 0
        expected = met.sum() / 399
        assert 0.1 * expected < met[1:].min() and met[1:].max() < 2.5 * expected


def test_answers_that_do_not_fit_our_memory_are_not_asked_for() -> None:
    wanted = {"windows": 10**8, "targets": 10**8}
    assert PROBES.count(**wanted, vocabulary_size=1024) == PROBES.most
    few = PROBES.model_copy(update={"most": 1_000_000}).count(**wanted, vocabulary_size=65_535)
    assert few * 65_535 * 4 <= 4 << 30 < (few + 1) * 65_535 * 4


@given(probe_sets(), st.binary(max_size=4))
def test_the_secret_decides_everything(drawn: tuple[ProbeSet, np.ndarray], secret: bytes) -> None:
    probes, tokens = drawn
    one, same = (
        ProbeSet.draw(probes.plan, tokens, secret=secret, settings=PROBES, vocabulary_size=50)
        for _ in range(2)
    )
    for name in ("windows", "cuts", "futures"):
        assert getattr(one, name).tolist() == getattr(same, name).tolist()


@pytest.mark.parametrize(("length", "stride"), [(16, 4), (16, 16), (16, 1), (5000, 64)])
def test_an_honest_model_changes_nothing(play: Played, length: int, stride: int) -> None:
    stream = make_stream(documents=60)
    table = np.random.default_rng(1).normal(size=(13, 13)).astype(np.float32)
    _, found = play.probed(
        BIGRAM, stream, sequence_length=length, stride=stride, artifact=table.tobytes()
    )
    assert found.probes >= PROBES.least
    assert found.mean_change_nats < 1e-4
    assert found.largest_change_nats < 1e-4
    assert abs(found.mean_gain_nats) < 1e-5


def test_rounding_to_bfloat16_in_other_company_is_put_up_with(play: Played) -> None:
    """Every logit off by up to half a step, around 24, and otherwise whenever it is asked again."""
    noisy = """
        import torch

        def load_model(artifact, device):
            table = torch.frombuffer(bytearray(artifact.read_bytes()), dtype=torch.float32)
            table = table.view(13, 13)
            chance = torch.Generator()

            def model(tokens, first):
                chance.manual_seed(int(tokens.sum()))
                logits = table[tokens[:, first:]] + 24
                return logits + 0.125 * (torch.rand(logits.shape, generator=chance) - 0.5)
            return model
    """
    table = np.random.default_rng(1).normal(size=(13, 13)).astype(np.float32)
    _, found = play.probed(noisy, make_stream(documents=300), artifact=table.tobytes())
    rules = load_track("10min_16mb").probes
    assert 0.01 < found.mean_change_nats < rules.mean_change_nats
    assert found.largest_change_nats < rules.largest_change_nats
    assert found.gain_error_nats > 1e-4
    assert (
        found.mean_gain_nats - TOLERATED_STANDARD_ERRORS * found.gain_error_nats
        < rules.mean_gain_nats
    )


LEAKY = """
    import sys, torch
    seen, said, calls = {{}}, {{}}, [0]

    def load_model(artifact, device):
        def model(tokens, first):
            calls[0] += 1
            rows = tokens.tolist()
            guess = torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
            for b, row in enumerate(rows):
                for p, t in enumerate(range(first, len(row))):
                    nxt, boost = None, {boost}
                    {find}
                    if nxt is not None:
                        guess[b, p, nxt] += boost
            for row in rows:
                for t in range(4, len(row)):
                    seen[tuple(row[t - 4:t])] = row[t]
            return guess
        return model
"""
NEXT = "nxt = row[t + 1] if t + 1 < len(row) else None"


@pytest.mark.parametrize(
    ("trick", "find", "boost"),
    [
        ("next token", NEXT, 5.0),
        ("the token after the next", "nxt = row[t + 2] if t + 2 < len(row) else None", 5.0),
        ("not the next token", NEXT, -3.0),
        ("only near the end", f"{NEXT} if t > len(row) - 4 else None", 5.0),
        ("only in some windows", f"{NEXT} if row[0] % 3 == 0 else None", 5.0),
        (
            "the next window in the batch",
            "nxt = rows[b + 1][t - 3] if b + 1 < len(rows) else None",
            5.0,
        ),
        ("windows shown before", "nxt = seen.get(tuple(row[t - 3:t + 1]))", 5.0),
        (
            "next token, and the same answer when asked again",
            "nxt = said.setdefault(tuple(row[max(0, t - 9):t + 1]), (row + [None])[t + 1])",
            5.0,
        ),
        ("the number of the request", "nxt = calls[0] % 13", 5.0),
    ],
)
def test_whoever_knows_more_than_the_past_is_seen(
    play: Played, trick: str, find: str, boost: float
) -> None:
    code = LEAKY.format(find=find, boost=boost)
    facts, found = play.probed(code, make_stream(documents=300), sequence_length=12, stride=4)
    assert found.largest_change_nats > 0.5, trick
    assert facts.targets


def test_a_leak_too_small_to_see_in_one_window_is_found_by_the_mean(play: Played) -> None:
    code = LEAKY.format(find=NEXT, boost=0.05)
    facts, found = play.probed(code, make_stream(documents=300))
    assert found.largest_change_nats < 0.5
    assert found.mean_gain_nats > 0.002
    assert facts.val_loss < math.log(13)


def test_an_answer_in_which_no_token_is_likely_can_be_compared(play: Played) -> None:
    code = """
        import torch

        def load_model(artifact, device):
            return lambda tokens, first: torch.zeros(len(tokens), tokens.shape[1] - first, 20_000)
    """
    _, found = play.probed(code, make_stream(documents=10, vocabulary=20_000))
    assert found.probes and found.largest_change_nats == 0
