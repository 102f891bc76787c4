"""The tests of a gain against SciPy's own, and what they are asked of."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.audit.checks.significance import Bar, margins, one_sample, welch
from harness.audit.one import audit_folder, load_policy
from tests.audit.records import OFFICIAL, SCORES, SP1024, TEXT_BYTES, checked, log, write_record

VALUES = st.lists(
    st.integers(900_000, 1_300_000).map(lambda n: n / 1e6), min_size=2, max_size=8, unique=True
)


@settings(max_examples=60)
@given(VALUES, st.floats(0.9, 1.3))
def test_one_sample_is_scipys(values: list[float], threshold: float) -> None:
    expected = stats.ttest_1samp(values, popmean=threshold, alternative="less")
    found = one_sample(values, threshold)
    assert found is not None
    assert found.p == pytest.approx(float(expected.pvalue), rel=1e-6, abs=1e-12)


@settings(max_examples=60)
@given(VALUES, VALUES)
def test_welch_is_scipys(values: list[float], others: list[float]) -> None:
    expected = stats.ttest_ind(values, others, equal_var=False, alternative="less")
    found = welch(values, others)
    assert found is not None
    assert found.t == pytest.approx(float(expected.statistic), rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(float(expected.pvalue), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0]])
def test_what_has_no_spread_is_not_tested(values: list[float]) -> None:
    assert one_sample(values, 1.1) is None
    assert welch(values, [1.1, 1.1]) is None


def test_every_reading_of_the_margin() -> None:
    found = margins(0.005, TEXT_BYTES / SP1024)
    assert found["nats per token"] == pytest.approx(0.00296, abs=1e-5)
    assert found["BPB"] == 0.005
    assert found["nats per byte"] == pytest.approx(0.005 / math.log(2))


def judged(folder: Path, bar: Bar, policy: str, name: str) -> tuple[str, object]:
    audit = audit_folder(folder, track=OFFICIAL, policy=load_policy(policy), bar=bar)
    found = next(each for each in audit.checks if each.id == name)
    return found.status, found.measured


def test_a_gain_smaller_than_the_margin_is_significant_in_practice_alone(tmp_path: Path) -> None:
    folder = write_record(tmp_path)
    earlier = tuple(score + 0.002 for score in SCORES.values())
    bar = Bar(sum(earlier) / 3, "the record before", None, earlier)
    assert judged(folder, bar, "strict", "significance")[0] == "fail"
    status, p = judged(folder, bar, "practice", "welch")
    expected = stats.ttest_ind(
        list(SCORES.values()), list(earlier), equal_var=False, alternative="less"
    )
    assert status == "pass"
    assert p == pytest.approx(float(expected.pvalue))
    near = tuple(score + 0.0001 for score in SCORES.values())
    assert judged(folder, Bar(sum(near) / 3, "near", None, near), "practice", "welch")[0] == "fail"


def test_every_reading_is_told(tmp_path: Path) -> None:
    sentence = checked(write_record(tmp_path), "significance").sentence
    for unit in ("nats per token", "read as BPB", "nats per byte"):
        assert unit in sentence


def test_a_record_older_than_the_bar_is_not_held_against_it(tmp_path: Path) -> None:
    claims = {"val_bpb": 1.2, "date": "2026-03-01"}
    folder = write_record(tmp_path, claims=claims, logs={"train.log": log(1.2)})
    assert checked(folder, "significance").status == "unknown"


def test_one_run_is_not_testable(tmp_path: Path) -> None:
    folder = write_record(tmp_path, claims={"val_bpb": 1.0}, logs={"train.log": log(1.0)})
    found = checked(folder, "significance")
    assert (found.status, "not testable" in found.sentence) == ("unknown", True)
