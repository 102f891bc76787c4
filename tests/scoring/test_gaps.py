"""Questions drawn by gap: their mean is that of all targets, and hidden gains meet more of them."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.track import load_track
from harness.data.build.baselines import WittenBellBigram
from harness.scoring.probes import gaps
from harness.scoring.probes.answers import Differences
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.probes.gaps import Gaps
from harness.scoring.schedules.corpus import WindowPlan
from harness.statistics.probe_bounds import (
    Sample,
    largest_hidden_gain,
    likelihoods,
    upper_bound,
)
from tests.scoring.conftest import BIGRAM, PROBED, Played, make_stream, other_text
from tests.scoring.test_probes import LEAKY, NEXT

Floats = npt.NDArray[np.float64]


def everywhere(targets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.ones(len(targets), bool)


def gaps_of(bigram: Floats, nats: Floats) -> Gaps:
    """Of two costs float64[N], the first of which is of no target."""
    return Gaps.measure(nats.astype(np.float32), lambda targets: bigram[targets], everywhere)


@given(st.integers(2, 400), st.integers(0, 99), st.booleans())
def test_each_half_weighs_every_target_as_it_was_drawn(size: int, seed: int, flat: bool) -> None:
    """``q`` is a distribution, and ``d / (N q)`` has the mean of ``d``, whatever ``d`` is."""
    chance = np.random.default_rng(seed)
    bigram = chance.exponential(3, size)
    nats = bigram + 1 if flat else bigram * chance.choice([0, 0.5, 1, 3], size)
    targets = np.arange(1, size)
    found = gaps_of(bigram, nats).likelihoods(targets)
    assert found.min() >= 0.5
    assert found.mean() == pytest.approx(1, abs=1e-6)
    changes = chance.normal(1, 2, size - 1)
    assert (found / len(targets) * (changes / found)).sum() == pytest.approx(changes.mean())


def test_targets_are_drawn_as_often_as_their_gaps_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "CHUNK", 7)  # the whole is gone through in parts
    chance = np.random.default_rng(1)
    bigram = chance.exponential(3, 60)
    nats = bigram * chance.choice([0, 0.5, 1, 3], 60)
    held = np.arange(60) % 5 > 0
    measured = Gaps.measure(nats.astype(np.float32), lambda t: bigram[t], lambda t: held[t])
    drawn = measured.draw(np.random.default_rng(2), 200_000)
    assert (np.diff(drawn) >= 0).all() and held[drawn].all()
    gap = np.where(held, np.maximum(0, bigram - nats), 0)
    gap[0] = 0
    assert np.bincount(drawn, minlength=60) / 200_000 == pytest.approx(gap / gap.sum(), abs=0.005)
    expected = likelihoods(gap[held], mean_gap=gap[held].mean())
    assert measured.likelihoods(np.flatnonzero(held)) == pytest.approx(expected, rel=1e-5)


def test_where_nothing_is_cheaper_than_the_bigram_all_are_as_likely() -> None:
    measured = gaps_of(np.ones(50), np.full(50, 2.0))
    drawn = measured.draw(np.random.default_rng(0), 5000)
    assert set(drawn) == set(range(1, 50))
    assert (measured.likelihoods(drawn) == 1).all()


def test_the_secret_and_the_scores_decide_what_is_drawn() -> None:
    plan = WindowPlan(2000, 20, 10)
    bigram = np.random.default_rng(3).exponential(3, 2000)

    def targets(secret: bytes) -> list[int]:
        probes = ProbeSet.draw(plan, text=other_text(), secret=secret, count=80, by_gap=40)
        probes.first.nats[1:] = bigram[1:] / 2
        assert probes.planned == 40
        probes.draw_by_gap(lambda targets: bigram[targets])
        assert probes.planned == 80
        return list(probes.targets.tolist())

    assert targets(b"one") == targets(b"one") != targets(b"two")


def test_the_variance_over_all_targets_is_found_whatever_is_likelier() -> None:
    """Else noise would be taken for thinking longer, where dear targets scatter more."""
    chance = np.random.default_rng(4)
    size = 200_000
    gap = chance.exponential(2, size)
    noise = 0.01 * (1 + gap)
    weights = likelihoods(gap, mean_gap=gap.mean())
    found = Differences()
    for target in chance.choice(size, 40_000, p=weights / weights.sum()).tolist():
        change = float(chance.normal(0, noise[target]))
        found.add(change, largest=change, target=target, likelihood=float(weights[target]))
    facts = found.facts()
    true = math.sqrt((noise**2).mean())
    assert facts.sd_of_all_nats == pytest.approx(true, rel=0.03)
    assert facts.of_all.sd == facts.sd_of_all_nats != facts.sd_nats
    assert abs(facts.mean_nats) < 4 * facts.sample.error


def test_an_honest_model_changes_nothing_and_a_look_ahead_is_seen(play: Played) -> None:
    stream = make_stream(documents=300)
    table = np.random.default_rng(1).normal(size=(13, 13)).astype(np.float32)
    _, honest = play.probed(BIGRAM, stream, artifact=table.tobytes(), by_gap=PROBED // 2)
    assert (honest.probes, honest.by_gap) == (PROBED, PROBED // 2)
    assert honest.largest_change_nats < 1e-4 and abs(honest.mean_gain_nats) < 1e-5
    faint = LEAKY.format(find=NEXT, boost=0.05)
    _, found = play.probed(faint, stream, by_gap=PROBED // 2)
    assert found.mean_gain_nats > 0.002
    rare = LEAKY.format(find=f"{NEXT} if row[0] % 3 == 0 else None", boost=5.0)
    _, found = play.probed(rare, stream, by_gap=PROBED // 2)
    assert found.largest_change_nats > 0.5


@pytest.fixture(scope="module")
def split() -> tuple[Floats, Floats]:
    """Costs of a synthetic split for a bigram, and for a better model that is mixed with it.

    Text whose next token depends on the two before it; each model is counted on other text.
    """
    chance = np.random.default_rng(5)
    vocabulary, size = 64, 300_000
    likely = np.argsort(chance.random((vocabulary, vocabulary, vocabulary)), axis=2)
    ranks = np.minimum(chance.zipf(1.6, 2 * size) - 1, vocabulary - 1)
    tokens = np.zeros(2 * size, np.uint16)
    for place in range(2, 2 * size):
        # Half of the time the token before the last one says nothing.
        before = tokens[place - 2] if ranks[place] % 2 else 0
        tokens[place] = likely[before, tokens[place - 1], ranks[place]]
    train, scored = tokens[:size], tokens[size:]
    bigram = WittenBellBigram.fit(train, vocabulary)
    targets = np.arange(2, size)
    plain = bigram.nats(scored, targets)
    pairs = train[:-1].astype(np.int64) * vocabulary + train[1:]
    counts = np.zeros((vocabulary**2, vocabulary))
    np.add.at(counts, (pairs[:-1], train[2:]), 1)
    of_scored = scored[:-2].astype(np.int64) * vocabulary + scored[1:-1]
    seen = counts[of_scored, scored[2:]]
    total, kinds = counts.sum(1)[of_scored], (counts > 0).sum(1)[of_scored]
    better = (seen + kinds * np.exp(-plain)) / np.maximum(total + kinds, 1)
    better = np.where(total > 0, better, np.exp(-plain))
    return plain, -np.log(0.97 * better + 0.03 * np.exp(-plain))


def best_cheater(bigram: Floats, honest: Floats, *, count: int, by_gap: bool) -> float:
    """What he gains, in nats a target, who passes one time in a hundred.

    He knows every cost and the formula, and looks at the targets where that pays most for the
    chance of being asked: for nothing, or for just as much as the bigram pays, without a gap.
    """
    mean_gap = np.maximum(0, bigram - honest).mean()
    ways = []
    for scored in (np.zeros_like(bigram), np.minimum(bigram, honest)):
        gap = np.maximum(0, bigram - scored)
        likely = likelihoods(gap, mean_gap=mean_gap) if by_gap else np.ones_like(bigram)
        ways.append((honest - scored, likely))
    better = ways[0][0] / ways[0][1] >= ways[1][0] / ways[1][1]
    gains, likely = (np.where(better, one, other) for one, other in zip(*ways, strict=True))
    order = np.argsort(-gains / likely)
    chance = -math.expm1(math.log(0.01) / count)
    caught = np.cumsum(likely[order]) / len(order)
    few = order[: np.searchsorted(caught, chance) + 1]
    return float(gains[few].sum() / len(order))


@pytest.mark.parametrize("name", ["10min_16mb", "smoke"])
def test_the_best_cheater_gains_no_more_than_the_table_says(
    split: tuple[Floats, Floats], name: str
) -> None:
    bound = load_track(name).probes.bound
    assert bound is not None and bound.by_gap
    count = 3 * bound.questions(runs=3, population=10**8)
    stated = largest_hidden_gain(
        tolerance=bound.tolerance_nats,
        sd=bound.counted_sd_nats,
        dearest=bound.dearest_nats,
        count=count,
    )
    found = best_cheater(*split, count=count, by_gap=True)
    # One target more than he can afford is counted, which in so short a split is much.
    one = bound.dearest_nats / len(split[0])
    assert 0 < found < stated + one
    assert found < bound.tolerance_nats + one
    uniform = best_cheater(*split, count=count, by_gap=False)
    assert found < uniform


def test_nobody_gains_more_for_the_chance_of_being_caught_than_the_argument_says(
    split: tuple[Floats, Floats],
) -> None:
    """At any score that he chooses, not at the two ends alone."""
    bigram, honest = split
    mean_gap = np.maximum(0, bigram - honest).mean()
    assert mean_gap < 4
    honest = np.minimum(honest, bigram + 4)  # what a mixture with 2 % of the bigram pays at most
    for part in np.linspace(0, 1, 21):
        scored = part * honest
        likely = likelihoods(np.maximum(0, bigram - scored), mean_gap=mean_gap)
        assert ((honest - scored) / likely).max() <= 8 + 1e-9


@pytest.mark.parametrize("name", ["10min_16mb", "smoke"])
def test_an_honest_model_passes_and_one_that_gains_the_tolerance_does_not(
    split: tuple[Floats, Floats], name: str
) -> None:
    """Also where its noise grows more than the track reckons with, as it does here."""
    bound = load_track(name).probes.bound
    assert bound is not None
    bigram, honest = split
    chance, size = np.random.default_rng(6), len(bigram)
    half = 3 * bound.questions(runs=3, population=10**8) // 2

    def passes(scored: Floats) -> bool:
        gap = np.maximum(0, bigram - scored)
        upto, likely = np.cumsum(gap), likelihoods(gap, mean_gap=gap.mean())
        by_gap = np.searchsorted(upto, chance.random(half) * upto[-1])
        drawn = np.concatenate([chance.integers(0, size, half), by_gap])
        noise = chance.normal(0, bound.noise_sd_nats, len(drawn))
        found = (honest[drawn] + noise - scored[drawn]) / likely[drawn]
        sample = Sample(len(drawn), float(found.mean()), float(found.std()), 0.0)
        return upper_bound(sample, dearest=bound.dearest_nats) < bound.tolerance_nats

    assert sum(passes(honest) for _ in range(40)) >= 38
    everywhere = honest - bound.tolerance_nats
    dear = np.argsort(-honest)
    concentrated = honest.copy()
    few = np.searchsorted(np.cumsum(honest[dear]), bound.tolerance_nats * size) + 1
    concentrated[dear[:few]] = 0
    for cheat in (everywhere, concentrated):
        assert sum(passes(cheat) for _ in range(40)) <= 2
