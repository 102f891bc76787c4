"""Probes: the same past before other text: no honest model notices, no cheat survives."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.track import load_track
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.schedules.asking import Ask, Observe, Turn
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.plan import Room
from harness.statistics.probe_bounds import FAILS_AT
from tests.scoring.conftest import BIGRAM, PROBED, Played, make_stream, other_text

Drawn = tuple[ProbeSet, np.ndarray]


@st.composite
def probe_sets(draw: st.DrawFn) -> Drawn:
    length = draw(st.integers(1, 40))
    stride, segment = draw(st.integers(1, length)), draw(st.none() | st.integers(1, 99))
    plan = WindowPlan(draw(st.integers(2, 3000)), length, stride, segment)
    chance = np.random.default_rng(draw(st.integers(0, 99)))
    tokens = chance.integers(0, 50, plan.tokens).astype(np.uint16)
    text = chance.integers(0, 50, draw(st.integers(0, 500))).astype(np.uint16)
    secret, count = draw(st.binary(max_size=8)), draw(st.integers(1, 200))
    by_gap = draw(st.integers(0, count))
    probes = ProbeSet.draw(plan, text=text, secret=secret, count=count, by_gap=by_gap)
    if by_gap:
        scored(probes, chance)
    return probes, tokens


def scored(probes: ProbeSet, chance: np.random.Generator) -> None:
    """As after a scoring, in which some targets were far cheaper than for the plain model."""
    bigram = chance.exponential(3, probes.plan.tokens)
    probes.first.nats[1:] = bigram[1:] * chance.choice([0, 0.5, 1, 2], probes.plan.targets)
    probes.draw_by_gap(lambda targets: bigram[targets])


def room_for(plan: WindowPlan, at_once: int) -> Room:
    return Room(tokens=at_once * plan.length, vocabulary_size=1)


def turns_of(probes: ProbeSet, at_once: int) -> Iterator[tuple[list[Ask], int]]:
    """The asks of each turn, and how many targets are observed after it."""
    assert isinstance(probes.plan, WindowPlan)
    turn: Turn
    for turn in probes.schedule(room=room_for(probes.plan, at_once), lanes=1).turns(0):
        observed = [told.end - told.begin for told in turn.tells if isinstance(told, Observe)]
        yield list(turn.asks), sum(observed)


@given(probe_sets(), st.integers(1, 50))
def test_a_question_repeats_its_window_up_to_the_cut(drawn: Drawn, at_once: int) -> None:
    probes, tokens = drawn
    starts, lengths, firsts, *_ = probes.plan.windows
    asked = []
    for request in (ask for asks, _ in turns_of(probes, at_once) for ask in asks):
        assert request.questions is not None and request.filler is not None
        assert len(request.windows) <= at_once
        shown = request.tokens(tokens)
        cuts = probes.cuts(request)
        for row, number in enumerate(request.questions.tolist()):
            window = int(request.windows[row])
            cut = int(cuts[row])
            assert firsts[window] == request.first <= cut < request.length == lengths[window]
            own = tokens[starts[window] : starts[window] + request.length]
            altered = number < probes.planned
            upto = cut + 1 if altered else request.length
            assert (shown[row, :upto] == own[:upto]).all()
            suffix = int(request.filler.begins[row])
            after = np.arange(suffix, suffix + request.length - upto)
            if altered and len(after):
                assert (shown[row, upto:] == np.take(probes.text, after, mode="wrap")).all()
            asked.append(number)
    assert sorted(asked) == list(range(probes.planned + len(probes.unchanged.windows)))


@given(probe_sets(), st.integers(1, 50))
def test_a_cheater_who_remembers_all_that_was_shown_knows_no_target_that_is_asked(
    drawn: Drawn, at_once: int
) -> None:
    """All that he is given: each window of this turn and of all before, and what was observed."""
    probes, _ = drawn
    starts = probes.plan.windows.starts
    known = np.zeros(probes.plan.tokens + 1, bool)
    observed = 0
    for asks, more in turns_of(probes, at_once):
        targets = []
        for request in asks:
            assert request.questions is not None
            shown, cuts = request.shown, probes.cuts(request)
            for row, number in enumerate(request.questions.tolist()):
                start = int(starts[request.windows[row]])
                known[start : start + int(shown[row])] = True
                if number < probes.planned:
                    targets.append(start + int(cuts[row]) + 1)
        assert not known[targets].any()
        if more:
            observed += more
            known[: 1 + observed] = True


@given(probe_sets(), st.integers(1, 50))
def test_nobody_is_shown_what_lies_after_a_target_in_its_section_before_it_is_asked(
    drawn: Drawn, at_once: int
) -> None:
    """Text from which a target might be learned: what follows it, within the reach of a window."""
    probes, _ = drawn
    plan = probes.plan
    known = np.zeros(plan.tokens + 1, bool)
    observed = 0
    for asks, more in turns_of(probes, at_once):
        targets = []
        for request in asks:
            assert request.questions is not None
            for row, number in enumerate(request.questions.tolist()):
                start = int(plan.windows.starts[request.windows[row]])
                known[start : start + int(request.shown[row])] = True
                if number < probes.planned:
                    cut = int(probes.cuts(request)[row])
                    targets.append((start + cut + 1, start + request.length))
        for target, end in targets:
            if plan.segment is not None:
                assert not known[target : end + 1].any()
            else:
                assert not known[target]
        if more:
            observed += more
            known[: 1 + observed] = True


def test_every_target_is_as_likely_as_any_other_whatever_the_windows() -> None:
    tokens = np.arange(400, dtype=np.uint16)
    for length, stride in ((10, 1), (10, 10), (399, 399)):
        plan = WindowPlan(400, length, stride)
        met = np.zeros(400, int)
        for number in range(300):
            secret = bytes([number % 256, number // 256])
            drawn = ProbeSet.draw(plan, text=tokens, secret=secret, count=24)
            assert len(drawn.probes.windows) == 24
            met[plan.windows.starts[drawn.probes.windows] + drawn.probes.cuts + 1] += 1
        assert met[0] == 0
        expected = met.sum() / 399
        assert 0.1 * expected < met[1:].min() and met[1:].max() < 2.5 * expected


def test_what_follows_the_cut_says_nothing_of_the_target() -> None:
    """A token that is never the target's would: every text must be as likely before each."""
    chance = np.random.default_rng(3)
    tokens, text = (chance.integers(0, 4, 40_000).astype(np.uint16) for _ in range(2))
    plan = WindowPlan(len(tokens), 32, 32)
    probes = ProbeSet.draw(plan, text=text, secret=b"", count=8000)
    windows, cuts, suffixes, *_ = probes.probes
    targets = tokens[plan.windows.starts[windows] + cuts + 1]
    same = (text[suffixes] == targets).mean()
    assert 0.22 < same < 0.28


def test_a_long_stream_is_walked_in_many_places_at_once() -> None:
    tokens = np.zeros(200_000, np.uint16)
    plan = WindowPlan(len(tokens), 128, 64)
    text = np.ones(1000, np.uint16)
    probes = ProbeSet.draw(plan, text=text, secret=b"", count=3000)
    assert probes.planned == 3000
    turns = 1 + int(probes.probes.turns.max())
    assert turns < 300
    assert len(probes.unchanged.windows) == 375


def test_answers_that_do_not_fit_our_memory_are_not_asked_for_or_kept_as_costs_alone() -> None:
    rules = load_track("10min_16mb").probes
    wanted = {"windows": 10**8, "targets": 10**8, "runs": 3}
    assert rules.bound is not None
    enough = rules.bound.questions(runs=3, population=10**8)
    assert rules.count(**wanted, vocabulary_size=1024) == enough
    assert rules.count(**wanted, vocabulary_size=65_535) == enough
    uniform = rules.model_copy(update={"bound": rules.bound.model_copy(update={"by_gap": None})})
    few = uniform.count(**wanted, vocabulary_size=65_535)
    assert few * 65_535 * 4 <= 4 << 30 < (few + 1) * 65_535 * 4


def test_of_so_many_answers_as_fit_all_is_kept_and_of_all_others_the_cost() -> None:
    plan = WindowPlan(400, 10, 5)
    drawn = ProbeSet.draw(plan, text=other_text(), secret=b"", count=40, keep=12)
    assert len(drawn.kept) == 12 and set(drawn.kept) < set(drawn.drawn)
    assert (np.diff(drawn.kept) > 0).all()
    [(request, _), *_] = plan.placed(np.arange(len(plan)), room=room_for(plan, len(plan)))
    rows, places = drawn.among(request)
    assert (
        request.targets[rows, drawn.kept_cuts[places] - request.first] == drawn.kept[places]
    ).all()


@given(probe_sets(), st.binary(max_size=4))
def test_the_secret_decides_everything(drawn: Drawn, secret: bytes) -> None:
    probes, _ = drawn
    one, same = (
        ProbeSet.draw(probes.plan, text=other_text(), secret=secret, count=30) for _ in range(2)
    )
    for part, again in ((one.probes, same.probes), (one.unchanged, same.unchanged)):
        for mine, other in zip(part, again, strict=True):
            assert mine.tolist() == other.tolist()
    assert one.twice.tolist() == same.twice.tolist()


@pytest.mark.parametrize(("length", "stride"), [(16, 4), (16, 16), (16, 1), (5000, 64)])
def test_an_honest_model_changes_nothing(play: Played, length: int, stride: int) -> None:
    stream = make_stream(documents=60)
    table = np.random.default_rng(1).normal(size=(13, 13)).astype(np.float32)
    _, found = play.probed(
        BIGRAM, stream, sequence_length=length, stride=stride, artifact=table.tobytes()
    )
    assert found.probes == PROBED
    assert found.unchanged is not None and found.twice is not None
    assert found.unchanged.count or length > 1000
    assert found.unchanged.largest_nats < 1e-4
    assert found.twice.largest_nats < 1e-4
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
    assert found.mean_gain_nats - FAILS_AT * found.gain_error_nats < rules.mean_gain_nats


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


def test_a_scoring_after_which_nothing_is_asked_keeps_no_answers() -> None:
    plan = WindowPlan(1_000_000, 16, 4)
    none = ProbeSet.none(plan)
    assert none.first.nats.size == 0
    ((request, _),) = plan.placed(np.arange(1), room=room_for(plan, 1))
    none.keep(request, torch.ones(request.targets.shape), torch.empty(0, 8))
    assert none.first.nats.size == 0
    assert not none.first.distributions
