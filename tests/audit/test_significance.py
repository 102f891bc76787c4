"""The significance tests agree with SciPy's, and are applied to the right scores."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.audit.checks.significance import (
    Bar,
    margins,
    one_sample,
    track_margin_bpb,
    welch,
)
from harness.audit.one import audit_folder, load_policy
from harness.contest.track import load_track
from harness.judge.comparison import compare
from tests.audit.records import (
    OFFICIAL,
    SCORES,
    SP1024,
    SP8192,
    TEXT_BYTES,
    checked,
    log,
    write_record,
)

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
    margin = track_margin_bpb(0.005, OFFICIAL)
    assert margin is not None
    assert margin == pytest.approx(0.002961281, abs=1e-9)
    found = margins(0.005, margin)
    assert found == {
        "nats per token": margin,
        "BPB": 0.005,
        "nats per byte": pytest.approx(0.005 / math.log(2)),
    }


def test_the_margin_is_that_of_a_verification() -> None:
    """An audited and a verified entry must beat the same bar by the same margin."""
    verified = compare(
        [1.05, 1.051],
        bar_bpb=1.06145,
        bar_source="x",
        margin_nats_per_token=0.005,
        p_below=0.01,
        targets=SP1024 - 1,
        text_bytes=TEXT_BYTES,
    )
    assert track_margin_bpb(0.005, OFFICIAL) == verified.margin_bpb


def test_other_tokens_do_not_move_the_margin_and_both_figures_are_told(tmp_path: Path) -> None:
    """A gain of 0.0025 BPB is enough for sp8192's 0.00194, and not for the track's 0.00296."""
    scores = [1.05895 + shift / 1e5 for shift in (-1, 0, 1)]
    claims = {"val_bpb": 1.05895, "date": "2026-10-01"}
    found = {}
    for name, tokens in (("sp1024", SP1024), ("sp8192", SP8192)):
        logs = {
            f"seed{seed}.log": log(bpb, seed=seed, tokens=tokens)
            for seed, bpb in zip((42, 314, 999), scores, strict=True)
        }
        folder = write_record(tmp_path / name, claims=claims, logs=logs)
        found[name] = checked(folder, "significance")
    assert {check.status for check in found.values()} == {"fail"}
    assert found["sp1024"].measured == found["sp8192"].measured
    told = (
        "the margin is 0.00296 BPB in the tokens of the track's dataset and would be 0.00194 in "
        "the entry's own, with p = "
    )
    assert told in found["sp8192"].sentence
    assert "entry's own" not in found["sp1024"].sentence


def test_a_track_of_an_unknown_text_leaves_the_margin_unread(tmp_path: Path) -> None:
    folder = write_record(tmp_path)
    bar = Bar(1.3, "as given")
    smoke = load_track("smoke")
    audit = audit_folder(folder, track=smoke, policy=load_policy("strict"), bar=bar)
    (found,) = (each for each in audit.checks if each.id == "significance")
    assert found.status == "unknown"
    assert "cannot be read as BPB" in found.sentence


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
