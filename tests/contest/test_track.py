"""Tracks: what comes with the harness loads; what makes no sense is refused by name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.cli.options import choose_track
from harness.contest.track import Track, load_track, track_names
from harness.errors import UsageError
from harness.package import PACKAGE

SMOKE = (PACKAGE / "contest/tracks/smoke.toml").read_text()


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "custom.toml"
    path.write_text(text)
    return str(path)


def test_shipped_tracks_hold_the_rules_of_the_contest() -> None:
    assert track_names() == ["10min_16mb", "non_record_16mb", "smoke"]
    official = load_track("10min_16mb")
    assert not official.rehearsal
    assert official.budget.train_seconds == official.budget.score_seconds == 600
    assert official.budget.bytes == 16_000_000
    assert official.hardware.accelerators == 8
    assert official.hardware.accelerator_name == "NVIDIA H100 80GB HBM3"
    assert official.significance.most_runs >= 3
    assert official.significance.p_below == 0.01
    assert official.bar is not None and official.bar.bpb is not None and official.bar.source
    assert load_track("smoke").rehearsal


def test_the_track_without_records_judges_bytes_and_score_alone() -> None:
    track, official = load_track("non_record_16mb"), load_track("10min_16mb")
    assert track.budget.train_seconds is track.budget.score_seconds is None
    assert (track.budget.bytes, track.dataset) == (official.budget.bytes, official.dataset)
    assert track.bar is None and track.significance.p_below is None
    assert (track.significance.fewest_runs, track.significance.most_runs) == (1, 1)
    assert not track.rehearsal and track.hardware.accelerators == 0
    assert (track.brought_along, track.tokenizing) == (official.brought_along, official.tokenizing)


@pytest.mark.parametrize(
    ("there", "used"),
    [
        ([], (0, "")),
        (["A100"], (1, "A100")),
        (["T4", "A100", "A100"], (2, "A100")),
    ],
)
def test_it_uses_the_accelerators_that_are_there_which_is_no_other_rule(
    there: list[str], used: tuple[int, str]
) -> None:
    track, official = load_track("non_record_16mb"), load_track("10min_16mb")
    fitted = track.model_copy(update={"hardware": track.hardware.found(there)})
    assert (fitted.hardware.accelerators, fitted.hardware.accelerator_name) == used
    assert fitted.digest == track.digest
    again = Track.model_validate_json(fitted.model_dump_json())
    assert again == fitted, "as a plan keeps it"
    assert official.hardware.found(there) == official.hardware, "who names some needs those"


def test_it_asks_what_its_bounds_need() -> None:
    track = load_track("non_record_16mb")
    targets, bound = (track.dataset.validation_tokens or 0) - 1, track.probes.bound
    assert bound is not None
    assert bound.questions(runs=1, population=targets) <= track.probes.most


def test_auto_is_the_ten_minutes_or_the_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing, name in (([], "10min_16mb"), (["a GPU"], "smoke")):
        monkeypatch.setattr("harness.hardware.machine.missing_for", lambda *_, m=missing: m)
        assert choose_track("auto").name == name


def test_digest_follows_the_rules_not_the_text(tmp_path: Path) -> None:
    commented = load_track(write(tmp_path, "# a comment\n\n" + SMOKE))
    assert commented.digest == load_track("smoke").digest
    changed = load_track(write(tmp_path, SMOKE.replace("train_seconds = 20", "train_seconds = 21")))
    assert changed.digest != load_track("smoke").digest


@pytest.mark.parametrize(
    ("old", "new", "field", "expectation"),
    [
        ("train_seconds = 20", "train_secs = 20", "budget.train_secs", "unknown key"),
        ("bytes = 16_000_000", "", "budget.bytes", "missing"),
        ("train_seconds = 20", "train_seconds = -1", "budget.train_seconds", "a number above 0"),
        ("train_seconds = 20", "train_seconds = nan", "budget.train_seconds", "finite"),
        ("bytes = 16_000_000", "bytes = 1.5", "budget.bytes", "a whole number"),
        ("p_below = 0.01", "p_below = 2", "significance.p_below", "a number below 0.5"),
        ("denied_share = 0.1", "denied_share = 0", "imposed.denied_share", "a number above 0"),
        (
            "denied_share = 0.1",
            "denied_share = 0.6",
            "imposed.denied_share",
            "a number of at most 0.5",
        ),
        ("seeds = 3", "seeds = 1", "significance", "needs at least 2"),
        ("accelerators = 0", "accelerators = 8", "hardware", "accelerator_name"),
        ('baseline = "unigram"', 'baseline = "unigram"\nbpb = 1.0', "bar", "exactly one"),
        ("rehearsal = true", 'rehearsal = "yes"', "rehearsal", "true or false"),
        ('name = "smoke"', 'name = "../x"', "name", "expected a name of letters, digits"),
        ("rehearsal = true", 'settings_of = "a b"\nrehearsal = true', "settings_of", "letters"),
        ("by_gap = true", "by_gap = 1", "probes.bound.by_gap", "true or false"),
        ("dearest_nats = 5", "dearest_nats = 5\nby_gap = true", "probes", "memory.by_gap"),
    ],
)
def test_nonsense_is_refused_with_file_field_and_expectation(
    tmp_path: Path, old: str, new: str, field: str, expectation: str
) -> None:
    assert old in SMOKE
    path = write(tmp_path, SMOKE.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_track(path)
    assert path in str(caught.value)
    assert field in str(caught.value)
    assert expectation in str(caught.value)


@pytest.mark.parametrize("name", ["nosuch", "../smoke", "", "smoke.toml", "a\nb"])
def test_unknown_track_is_named(name: str) -> None:
    with pytest.raises(UsageError):
        load_track(name)


@pytest.mark.parametrize(
    ("text", "expectation"),
    [
        (f"edition = {'1' * 5000}", "not valid TOML"),
        ("a = " + "[" * 30_000, "not valid TOML"),
        ("a = " + "[" * 100_000, "larger than 32,768 bytes"),
        ("a." * 40 + "a = 1", "levels deep"),
    ],
)
def test_what_would_break_the_parser_is_refused(
    tmp_path: Path, text: str, expectation: str
) -> None:
    with pytest.raises(UsageError, match=expectation):
        load_track(write(tmp_path, text))


@given(st.text(max_size=200))
def test_any_text_as_track_is_refused_or_loads(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("t") / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError):
        load_track(str(path))


def test_a_bound_by_gap_asks_fewer_questions_half_of_them_later() -> None:
    bound = load_track("10min_16mb").probes.bound
    assert bound is not None and bound.by_gap
    many = 10**9
    wanted = bound.questions(runs=3, population=many)
    uniform = bound.model_copy(update={"by_gap": None, "dearest_nats": 20.0})
    assert wanted < 0.6 * uniform.questions(runs=3, population=many)
    assert bound.drawn_by_gap(wanted, population=many) == wanted // 2
    assert uniform.drawn_by_gap(wanted, population=many) == 0
    # Of a stream of which half would be asked all is, and nothing is left to be drawn.
    short = 2 * wanted - 1
    assert bound.questions(runs=3, population=short) == short
    assert bound.drawn_by_gap(short, population=short) == 0


def test_a_track_that_does_not_draw_by_gap_keeps_its_digest(tmp_path: Path) -> None:
    uniform = SMOKE.replace("by_gap = true\n", "")
    track = load_track(write(tmp_path, uniform))
    assert track.probes.bound is not None and track.probes.bound.by_gap is None
    assert "by_gap" not in track.model_dump_json()
    assert track.digest != load_track("smoke").digest


def test_a_track_that_gives_code_no_time_to_tokenize_keeps_its_digest(tmp_path: Path) -> None:
    before, after = SMOKE.index("[tokenizing]"), SMOKE.index("[imposed]")
    track = load_track(write(tmp_path, SMOKE[:before] + SMOKE[after:]))
    assert track.tokenizing is None and "tokenizing" not in track.model_dump_json()
    assert track.digest != load_track("smoke").digest


def test_welchs_test_needs_the_records_own_seeds() -> None:
    official = load_track("10min_16mb")
    assert official.bar is not None
    asked = official.significance.model_copy(update={"test": "welch"})
    fields = {**dict(official), "significance": asked}
    assert Track.model_validate(fields).significance.test == "welch"
    fields["bar"] = official.bar.model_copy(update={"leaderboard": False})
    with pytest.raises(ValidationError, match="leaderboard = true"):
        Track.model_validate(fields)
