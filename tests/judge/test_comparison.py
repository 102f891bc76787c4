"""What is judged is what the track's digest names, whatever a plan says of its bar."""

from pathlib import Path

import pytest

from harness.contest.track import Bar as TrackBar
from harness.contest.track import Track
from harness.evidence.plan import Bar, Plan
from harness.judge.asked import bar_under
from harness.judge.stored import judge_path
from tests.factories.plans import plan, planned_test, strict_track
from tests.factories.playground import harness, write_track
from tests.factories.runs import GOOD_SCORES, good_runs, verdict_of
from tests.factories.stored import store


def club(bpb: float, **changes: object) -> Track:
    return strict_track(
        name="club", bar=TrackBar(bpb=bpb, source="our own", leaderboard=True), **changes
    )


RECORD = Bar(bpb=2.7, source="leaderboard: Best", verdict_sha256="b" * 64, seeds=(2.69, 2.71))


def bpb_under(made: Plan, track: Track) -> float:
    bar = bar_under(made, track)
    assert bar is not None
    return bar.bpb


@pytest.mark.parametrize("lower", [2.0, 2.9])
def test_an_edited_bar_of_the_same_name_counts(lower: float) -> None:
    """Same name, ``leaderboard = true``, another figure: an edition that is harder to beat."""
    made = plan(club(3.0))
    verdict = verdict_of(made, good_runs(made), track=club(lower))
    assert verdict.statistics.bar_bpb == lower
    assert verdict.verdict == ("REJECTED" if lower < min(GOOD_SCORES) else "VERIFIED")
    assert verdict.digests.track == club(lower).digest != made.track_digest


def test_so_does_one_that_is_easier_to_beat() -> None:
    made = plan(club(2.0))
    assert verdict_of(made, good_runs(made)).verdict == "REJECTED"
    assert verdict_of(made, good_runs(made), track=club(3.0)).verdict == "VERIFIED"


def test_from_the_command_line_too(tmp_path: Path) -> None:
    files = {}
    for name, bpb in (("club", 3.0), ("club2", 2.0)):
        path = tmp_path / f"{name}.toml"
        write_track(path, rehearsal="false", baseline='"unigram"')
        text = path.read_text().replace('name = "smoke"', 'name = "club"')
        text = text.replace('baseline = "unigram"', f"bpb = {bpb}\nleaderboard = true")
        path.write_text(text.replace('next_baseline = "witten_bell_bigram"\n', ""))
        files[name] = path
    from harness.contest.track import load_track

    made = plan(load_track(str(files["club"])))
    run = store(tmp_path / "run", made, good_runs(made))
    own = harness("judge", run.path, "--json", "-")
    assert (own.code, own.verdict["statistics"]["bar_bpb"]) == (0, 3.0)
    edited = harness("judge", run.path, "--track", files["club2"], "--json", "-")
    assert (edited.code, edited.verdict["verdict"]) == (1, "REJECTED")
    assert edited.verdict["statistics"]["bar_bpb"] == 2.0
    drawings = {name: tmp_path / f"drawn.{name}" for name in ("markdown", "json")}
    options = [part for name, path in drawings.items() for part in (f"--{name}", path)]
    shown = harness("judge", run.path, "--track", files["club2"], *options)
    assert shown.code == 1
    for text in (shown.out, drawings["markdown"].read_text()):
        assert "REJECTED" in text and "VERIFIED" not in text
        assert "below 1.996" in text and "below 2.996" not in text
    board = tmp_path / "leaderboard.json"
    board.write_text('{"format": 2, "head": "' + "0" * 64 + '", "events": []}\n')
    for track in ("club", "club2"):  # neither as what it was judged under, nor as what it was not
        named = ("--leaderboard", board, "--track", files[track], "--by", "R. Referee")
        done = harness("leaderboard", "accept", drawings["json"], *named)
        assert done.code == 2 and "REJECTED" in done.err
    good = tmp_path / "good.json"
    assert harness("judge", run.path, "--json", good).code == 0
    lower = ("--leaderboard", board, "--track", files["club2"], "--by", "R. Referee")
    done = harness("leaderboard", "accept", good, *lower)
    assert done.code == 2 and "other rules than track club" in done.err


def test_a_record_counts_where_it_is_harder_to_beat() -> None:
    made = plan(club(3.0), bar=RECORD)
    assert bar_under(made, club(3.0)) == RECORD
    assert bar_under(made, club(2.8)) == RECORD  # a later edition of the same track
    assert bpb_under(made, club(2.0)) == 2.0
    other_name = strict_track(bar=TrackBar(bpb=3.0, source="x", leaderboard=True))
    assert bpb_under(made, other_name) == 3.0
    without = strict_track(name="club", bar=TrackBar(bpb=3.0, source="x"))
    assert bpb_under(made, without) == 3.0


@pytest.mark.parametrize("bpb", [9.0, 1.0])
def test_a_bar_that_somebody_wrote_into_a_plan_is_none(tmp_path: Path, bpb: float) -> None:
    """The plan's digest is that of the track, and no record stands behind another figure."""
    for track in (club(2.0), strict_track()):
        made = plan(track, bar=Bar(bpb=bpb, source="mine"))
        assert bpb_under(made, track) == (2.0 if track.name == "club" else 3.4)
    easier = plan(club(2.0), bar=RECORD.model_copy(update={"bpb": 9.0}))
    assert bpb_under(easier, club(2.0)) == 2.0
    assert judge_path(store(tmp_path / "run", easier, good_runs(easier)).path).verdict == "REJECTED"


def test_a_level_that_somebody_wrote_into_a_plan_is_none() -> None:
    """Earlier tries lower the level; nothing raises it."""
    track = club(3.0)
    for level, judged in ((0.4, 0.01), (0.001, 0.001)):
        made = plan(track, test=planned_test(track, p_below=level))
        assert verdict_of(made, good_runs(made)).statistics.p_below == judged
    spent = plan(track, test=planned_test(track, p_below=0.001))
    assert verdict_of(spent, good_runs(spent), track=club(2.9)).statistics.p_below == 0.01


def test_a_track_without_a_bar_has_none() -> None:
    made = plan(club(3.0), bar=RECORD)
    bare = strict_track(
        bar=None,
        significance=strict_track().significance.model_copy(
            update={"p_below": None, "margin_nats_per_token": None}
        ),
    )
    assert bar_under(made, bare) is None
    assert verdict_of(made, good_runs(made), track=bare).statistics.case == "no bar"
