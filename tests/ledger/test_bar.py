"""The bar that the leaderboard sets."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contest.track import load_track
from harness.errors import UsageError
from harness.evidence.plan import Bar
from harness.evidence.store import RunDirectory
from harness.ledger.file import default_path
from harness.ledger.leaderboard import bar_of, retract
from tests.factories.plans import strict_track
from tests.factories.playground import harness, write_submission, write_track
from tests.factories.runs import good_runs, verdict_of
from tests.ledger.boards import CONTEST, accepted, listed, planned, write_verdict


def test_what_the_record_brought_along_is_kept_with_the_bar_that_it_sets(board: Path) -> None:
    best = bar_of(CONTEST, listed(board, 2.9, 2.7, brought_bytes=40_000))
    assert best is not None and (best.bpb, best.brought_bytes) == (2.7, 40_000)
    before = bar_of(CONTEST, listed(board, 2.9))
    assert before is not None and before.brought_bytes is None
    assert "brought_bytes" not in board.read_text()


def test_a_retracted_record_sets_no_bar(board: Path) -> None:
    listed(board, 2.9, 2.7)
    assert retract(board, f"{1:064x}", why="x", by="x")
    best = bar_of(CONTEST, board)
    assert best is not None and best.bpb == 2.9


def test_the_bar_is_the_best_record_or_the_tracks_own(board: Path) -> None:
    assert bar_of(strict_track(), board / "not even looked at") is None
    assert bar_of(CONTEST, board) == Bar(bpb=3.0, source="as published")
    best = bar_of(CONTEST, listed(board, 2.9, 2.7, 2.8))
    assert best is not None
    assert (best.bpb, best.verdict_sha256) == (2.7, f"{1:064x}")
    assert best.seeds == (2.7, 2.7, 2.7)
    assert "Best by A. Author" in best.source
    worse = bar_of(CONTEST, listed(board, 3.1))
    assert worse is not None and worse.bpb == 3.0
    for other in ({"track": "another"}, {"dataset": "another"}):
        assert bar_of(CONTEST, listed(board, 2.0, **other)) == Bar(bpb=3.0, source="as published")
    board.unlink()
    with pytest.raises(UsageError, match="leaderboard"):
        bar_of(CONTEST, board)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0.5, 5.0), max_size=6))
def test_the_bar_only_ever_falls(
    tmp_path_factory: pytest.TempPathFactory, means: list[float]
) -> None:
    path = tmp_path_factory.mktemp("board") / "leaderboard.json"
    bars = []
    for count in range(len(means) + 1):
        bar = bar_of(CONTEST, listed(path, *means[:count]))
        assert bar is not None
        bars.append(bar.bpb)
    assert bars == sorted(bars, reverse=True)
    assert bars[-1] == min([3.0, *means])


def test_the_bar_that_was_fixed_is_the_one_that_is_judged_by() -> None:
    """Judging is a function of evidence: what is accepted later moves nothing."""
    fixed = Bar(bpb=2.65, source="leaderboard: Best", verdict_sha256="b" * 64)
    for bar, source in ((None, "as published"), (fixed, "leaderboard: Best")):
        made = planned(track=CONTEST, bar=bar) if bar else planned(track=CONTEST)
        statistics = verdict_of(made, good_runs(made)).statistics
        assert (statistics.bar_bpb, statistics.bar_source) == (bar.bpb if bar else 3.0, source)
    beaten = planned(track=CONTEST, bar=fixed.model_copy(update={"bpb": 2.6}))
    assert verdict_of(beaten, good_runs(beaten)).verdict == "REJECTED"
    other = verdict_of(beaten, good_runs(beaten), track=strict_track())
    assert other.statistics.bar_bpb == 3.4


def test_verify_takes_its_bar_from_the_leaderboard_and_keeps_it(
    tmp_path: Path, data_root: Path, board: Path
) -> None:
    """The training fails at once: the bar is fixed before it, and shown all the same."""
    folder = write_submission(tmp_path / "toy", train="raise SystemExit(1)")
    track = tmp_path / "track.toml"
    write_track(track, baseline='"unigram"')
    text = track.read_text().replace('baseline = "unigram"', "bpb = 9.5\nleaderboard = true")
    track.write_text(text.replace('next_baseline = "witten_bell_bigram"\n', ""))
    listed(board, 8.25, track="smoke")
    options: tuple[str | Path, ...] = ("--data", data_root, "--runs", tmp_path / "runs")
    done = harness(
        *("verify", folder, "--track", track, "--sandbox", "process"),
        *(*options, "--leaderboard", board, "--json", "-"),
    )
    assert done.verdict["statistics"]["bar_bpb"] == 8.25, done.err
    assert done.verdict["statistics"]["bar_source"].startswith("leaderboard: Best by")
    (directory,) = (tmp_path / "runs").iterdir()
    assert RunDirectory.open(directory).plan.bar == bar_of(load_track(str(track)), board)
    listed(board, 0.001, track="smoke")
    judged = harness("judge", directory, "--json", "-")
    assert judged.verdict["statistics"] == done.verdict["statistics"]
    board.unlink()
    lost = harness(
        *("verify", folder, "--track", track, "--sandbox", "process"),
        *(*options, "--leaderboard", board),
    )
    assert lost.code == 2 and "leaderboard.json: cannot be read" in lost.err


def test_the_official_track_has_a_leaderboard_that_can_be_read() -> None:
    official = load_track("10min_16mb")
    assert official.bar and official.bar.leaderboard and official.bar.bpb == 1.06145
    bar = bar_of(official, default_path())
    assert bar is not None and bar.bpb <= 1.06145


def test_a_leaderboard_needs_a_figure_to_begin_with(tmp_path: Path) -> None:
    track = write_track(tmp_path / "track.toml", baseline='"unigram"\nleaderboard = true')
    with pytest.raises(UsageError, match="leaderboard needs bpb"):
        load_track(str(track))


def test_a_bar_that_had_fallen_before_it_was_begun_is_not_beaten(
    tmp_path: Path, board: Path
) -> None:
    """Begun with an older leaderboard, or with one of one's own."""
    path = write_verdict(tmp_path, track=CONTEST, created_at="2026-11-23T12:00:00.000+00:00")
    listed(board, 2.62)  # on the 22nd
    with pytest.raises(UsageError, match=r"against a bar of 3 BPB, but .* a record of 2.62 stood"):
        accepted(board, path, track=CONTEST)


def test_a_bar_that_fell_while_it_was_run_does_not_matter(tmp_path: Path, board: Path) -> None:
    path = write_verdict(tmp_path, track=CONTEST, created_at="2026-11-21T12:00:00.000+00:00")
    listed(board, 2.62)  # on the 22nd
    assert accepted(board, path, track=CONTEST) is not None
