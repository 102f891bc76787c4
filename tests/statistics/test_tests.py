"""The t-test agrees with the textbook."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.tests import Prior, difference, one_sample, welch


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(900_000, 1_300_000), min_size=2, max_size=8, unique=True),
    st.floats(0.9, 1.3),
)
def test_the_test_is_scipys(values: list[int], threshold: float) -> None:
    scores = [value / 1e6 for value in values]
    found = one_sample(scores, threshold=threshold)
    expected = stats.ttest_1samp(scores, popmean=threshold, alternative="less")
    assert found.t == pytest.approx(float(expected.statistic), rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(float(expected.pvalue), rel=1e-6, abs=1e-12)
    interval = stats.ttest_1samp(scores, popmean=threshold).confidence_interval(0.99)
    assert found.interval_99 == pytest.approx((float(interval.low), float(interval.high)))


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 5e-324], [1e-300] * 3])
def test_spreads_that_no_figure_holds_are_none(values: list[float]) -> None:
    assert one_sample(values, threshold=1.0).case == "zero variance"


T = 1.058488718543
FIELD = Prior(0.0007, 4)


class TestModerated:
    """Values of a study of the field's published seeds, to the digits that it gives."""

    @pytest.mark.parametrize(
        ("scores", "deviation", "tested", "t", "plain", "p"),
        [
            (
                "1.0570 1.0564 1.0575",
                0.0005507570547,
                0.0007,
                -3.766101688,
                0.02049064148,
                0.004665680082,
            ),
            (
                "1.05690 1.05692 1.05691",
                0.00001,
                0.0007,
                -3.906315324,
                0.000006686989129,
                0.003963001913,
            ),
            ("1.0569 1.0569 1.0569", 0, 0.0007, -3.931058907, None, 0.003851680155),
            (
                "1.0574 1.0581 1.0577",
                0.0003511884584,
                0.0007,
                -1.869093660,
                0.03254614046,
                0.05540898293,
            ),
            (
                "1.0570 1.0550 1.0535",
                0.001755942292,
                0.001163806017,
                -4.944090813,
                0.04092852063,
                0.04092852063,
            ),
            (
                "1.0500 1.0540 1.0460",
                0.004,
                0.002379075451,
                -6.180086387,
                0.03334736071,
                0.03334736071,
            ),
            (
                "1.0570 1.0564 1.0575 1.0569 1.0571 1.0560 1.0573 1.0566",
                0.0004928053803,
                0.0007,
                -6.621422824,
                0.00001600109806,
                0.00001876661023,
            ),
        ],
    )
    def test_its_values(
        self,
        scores: str,
        deviation: float,
        tested: float,
        t: float,
        plain: float | None,
        p: float,
    ) -> None:
        values = [float(score) for score in scores.split()]
        found = one_sample(values, threshold=T, prior=FIELD)
        assert found.case == "tested"
        assert found.deviation == pytest.approx(deviation, rel=1e-9, abs=1e-15)
        assert found.tested_deviation == pytest.approx(tested, rel=1e-9)
        assert found.t == pytest.approx(t, rel=1e-8)
        assert found.p == pytest.approx(p, rel=1e-8)
        assert found.plain_p == (plain if plain is None else pytest.approx(plain, rel=1e-8))
        assert found.degrees == 4 + len(values) - 1
        assert found.guarded == (deviation > 0.0014)

    @pytest.mark.parametrize(
        ("n", "level", "distance"),
        [(2, 0.01, 2.379365), (3, 0.01, 1.814420), (5, 0.01, 1.295336), (8, 0.01, 0.960986),
         (2, 0.005, 2.851156), (3, 0.005, 2.140485), (5, 0.005, 1.500575), (8, 0.005, 1.098068)],
    )  # fmt: skip
    def test_how_far_a_mean_must_lie_below(self, n: int, level: float, distance: float) -> None:
        for factor, accepted in ((1 + 1e-6, True), (1 - 1e-6, False)):
            found = one_sample([T - 0.0007 * distance * factor] * n, threshold=T, prior=FIELD)
            assert found.p is not None and (found.p < level) == accepted

    @given(st.lists(st.floats(1.0, 1.1), min_size=2, max_size=8))
    def test_the_guard_never_helps(self, values: list[float]) -> None:
        found, plain = (one_sample(values, threshold=T, prior=each) for each in (FIELD, None))
        assert found.p is not None and found.deviation is not None
        assert found.plain_p == plain.p
        if found.deviation > 2 * FIELD.sd:
            assert plain.p is not None and found.p >= plain.p
        else:
            assert not found.guarded

    def test_of_a_prior_that_knows_nothing_it_is_the_plain_test(self) -> None:
        values = [1.0570, 1.0564, 1.0575]
        found = one_sample(values, threshold=T, prior=Prior(1e-12, 1e-12))
        assert found.p == pytest.approx(one_sample(values, threshold=T).p, rel=1e-6)

    def test_what_has_no_result(self) -> None:
        assert one_sample([], threshold=T, prior=FIELD).case == "no seeds"
        assert one_sample([1.05], threshold=T, prior=FIELD).case == "one seed"
        assert one_sample([1.05, float("nan")], threshold=T, prior=FIELD).case == "not finite"
        assert one_sample([1.05, 1.06], threshold=None, prior=FIELD).case == "no bar"


RECORD = [1.06128183, 1.06086831, 1.06220261]


class TestDifference:
    def test_its_values(self) -> None:
        found = difference(RECORD, [1.0570, 1.0564, 1.0575], prior=FIELD)
        assert found.difference == pytest.approx(-0.00448425)
        assert (found.degrees, found.guarded) == (8, False)
        assert found.t == pytest.approx(-7.845803128, rel=1e-9)
        assert found.p == pytest.approx(0.00005022179855, rel=1e-9)
        assert found.interval_99 == pytest.approx((-0.006402013599, -0.002566486401), rel=1e-8)

    def test_of_two_alike(self) -> None:
        found = difference([1.0812, 1.0805, 1.0818], [1.0801, 1.0809, 1.0797], prior=FIELD)
        assert found.t == pytest.approx(-1.632993162, rel=1e-9)
        assert found.p == pytest.approx(0.1411132813, rel=1e-9)
        assert found.interval_99 == pytest.approx((-0.002851096932, 0.0009844302653), rel=1e-8)

    def test_where_seeds_scatter_more_than_the_field_welch_has_to_agree(self) -> None:
        scattered = [1.050, 1.054, 1.046]
        found, plain = difference(RECORD, scattered, prior=FIELD), welch(RECORD, scattered)
        assert plain is not None
        assert found.guarded and found.p == plain.p

    def test_one_seed_each_has_the_fields_deviation(self) -> None:
        found = difference([1.0], [1.001], prior=FIELD)
        assert found.error == pytest.approx(0.0007 * 2**0.5)

    @pytest.mark.parametrize("bad", [[], [float("nan")], [float("inf"), 1.0]])
    def test_what_is_no_score(self, bad: list[float]) -> None:
        with pytest.raises(ValueError, match="finite"):
            difference(RECORD, bad, prior=FIELD)


class TestWelch:
    @pytest.mark.parametrize(
        ("first", "second", "t", "degrees", "p"),
        [
            (RECORD, [1.0570, 1.0564, 1.0575], -8.852034645, 3.827982364, 0.001096601261),
            (
                [1.0812, 1.0805, 1.0818], [1.0801, 1.0809, 1.0797],
                -1.811169437, 3.984305793, 0.1446330619,
            ),
        ],
    )  # fmt: skip
    def test_its_values(
        self, first: list[float], second: list[float], t: float, degrees: float, p: float
    ) -> None:
        found = welch(first, second)
        assert found is not None
        assert (found.t, found.degrees, found.p) == pytest.approx((t, degrees, p), rel=1e-9)
        expected = stats.ttest_ind(second, first, equal_var=False, alternative="less")
        assert found.p_below == pytest.approx(float(expected.pvalue), rel=1e-9)

    def test_a_shift_moves_the_question(self) -> None:
        found = welch(RECORD, [score - 0.01 for score in RECORD], shift=-0.01)
        assert found is not None and found.p_below == pytest.approx(0.5)

    @pytest.mark.parametrize("values", [[], [1.0], [1.0, float("nan")]])
    def test_what_has_no_result(self, values: list[float]) -> None:
        assert welch(values, RECORD) is None
        assert welch([1.0, 1.0], [2.0, 2.0]) is None
