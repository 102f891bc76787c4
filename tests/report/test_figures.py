"""Figures keep their order, their unit and all of their digits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.rule import Better
from harness.models import Finding
from harness.report.figures import (
    against,
    headroom,
    limit_number,
    moment,
    number,
    odds,
    percent_used,
    short_digest,
    sparkline,
)

UNITS = st.sampled_from(["", "s", "BPB", "p", "bytes", "targets"])


@given(
    st.floats(1e-9, 1e9, allow_nan=False) | st.integers(0, 10**12),
    st.floats(-1e-3, 1e-3, allow_nan=False),
    UNITS,
)
def test_rounding_never_hides_which_is_larger(limit: float, change: float, unit: str) -> None:
    measured = limit * (1 + change)
    shown, shown_limit = (float(text.replace(",", "")) for text in against(measured, limit, unit))
    assert (shown > shown_limit) == (measured > limit)
    assert (shown < shown_limit) == (measured < limit)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (None, "BPB", "-"),
        (15_863_489, "bytes", "15,863,489"),
        (1.2244, "BPB", "1.224400"),
        (599.96149, "s", "599.961"),
        (0.00731234, "p", "0.0073"),
        (1.234e-9, "p", "1.2e-09"),
        (math.nan, "BPB", "nan"),
        (math.inf, "s", "inf"),
        (3.0, "", "3"),
        (10**400, "", "inf"),
    ],
)
def test_number(value: float | None, unit: str, expected: str) -> None:
    assert number(value, unit) == expected


def test_limits_lose_only_the_zeros_of_precision() -> None:
    assert limit_number(600.0, "s") == "600"
    assert limit_number(0.5, "s") == "0.5"
    assert limit_number(1000, "bytes") == "1,000"
    assert limit_number(3.39531, "BPB") == "3.395310"


@pytest.mark.parametrize(
    ("better", "measured", "limit", "unit", "expected"),
    [
        ("lower", 15_863_489, 16_000_000, "bytes", "136,511 left"),
        ("lower", 16_000_000, 16_000_000, "bytes", "at the limit"),
        ("lower", 16_000_001, 16_000_000, "bytes", "1 over"),
        ("lower", 600.00001, 600.0, "s", "0.00001 over"),
        ("equal", 99, 100, "targets", "1 short"),
        ("equal", 100, 100, "targets", "all"),
        ("equal", 5, 3, "seed runs", "2 more"),
        ("equal", "2 cores", None, "", ""),
        ("lower", None, 0.01, "p", ""),
    ],
)
def test_headroom(
    better: Better,
    measured: float | str | None,
    limit: float | None,
    unit: str,
    expected: str,
) -> None:
    check = Finding(id="x", status="pass", measured=measured, limit=limit, unit=unit, detail="x")
    assert headroom(check, better) == expected


def test_a_budget_is_called_used_up_only_when_it_is() -> None:
    assert percent_used(15_999_999, 16_000_000) == "99.9 %"
    assert percent_used(16_000_000, 16_000_000) == "100.0 %"
    assert percent_used(16_000_001, 16_000_000) == "over by 1"


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.0, "less than once in a million tries"),
        (1e-9, "less than once in a million tries"),
        (0.00731, "about once in 140 tries"),
        (0.3, "about once in 3 tries"),
        (0.7, "more often than not"),
    ],
)
def test_odds(p: float, expected: str) -> None:
    assert odds(p) == expected


def test_short_digest_keeps_the_algorithm() -> None:
    assert short_digest("sha256:" + "ab" * 32) == "sha256:abababababab"
    assert short_digest("ab" * 32) == "ab" * 6
    assert short_digest("") == ""


def test_a_curve_is_drawn_over_an_axis_that_begins_at_zero() -> None:
    assert sparkline((0.0, 0.5, 1.0)) == "\u2581\u2585\u2588"
    assert sparkline((0.0, 0.5, 1.0), ascii_only=True) == "049"
    assert sparkline((0.9, 1.0), ascii_only=True) == "89"
    assert sparkline((0.0, -1.0), ascii_only=True) == "00"
    assert sparkline(()) == ""


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-11-30T09:41:50.630+00:00", "2026-11-30 09:41 UTC"),
        ("2026-11-30T09:41:50Z", "2026-11-30 09:41 UTC"),
        ("2026-11-30T01:00:00+02:00", "2026-11-29 23:00 UTC"),
        ("2026-11-30T09:41:50", "2026-11-30T09:41:50"),
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00+01:00"),
        ("some day", "some day"),
    ],
)
def test_a_moment_is_told_in_universal_time_or_as_it_stands(stamp: str, expected: str) -> None:
    assert moment(stamp) == expected
