"""The leaderboard: only verified verdicts, each once, none lost, and the bar that they set."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contest.submission import load_submission
from harness.contest.track import Bar, Track, load_track
from harness.errors import UsageError
from harness.evidence.draws import draw_seeds
from harness.evidence.facts import BarFacts, ScoreFacts, SeedRun, Verification
from harness.evidence.store import Ledger
from harness.judge.judgement import judge
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import PublishedVerdict, contradictions, read_verdict
from harness.ledger.leaderboard import (
    Leaderboard,
    Record,
    accept,
    bar_of,
    default_path,
    leaderboard_json,
    load_leaderboard,
)
from harness.report.leaderboard import BEGIN, END
from harness.safeio.files import sha256_of_bytes
from tests.factories.playground import ROOT, harness, write_submission, write_track
from tests.factories.samples import good_runs, strict_track, verification

EMPTY = '{"format": 1, "records": []}\n'
HEX = "0123456789abcdef"


def plan(number: int = 1, track: Track | None = None, **changes: object) -> Verification:
    """A verification of the ``number``-th submission, a day after the one before it."""
    made = verification(track or strict_track())
    submission = made.submission.model_copy(
        update={"digest": f"{number:064x}", "name": f"Entry {number}"}
    )
    fixed = verification(track or strict_track(), harness_digest="a" * 64, submission=submission)
    seeds = draw_seeds(
        submission_digest=submission.digest,
        track_digest=fixed.track_digest,
        nonce=fixed.nonce,
        count=len(fixed.seeds),
    )
    date = f"2025-11-{number:02d}T12:00:00.000+00:00"
    return fixed.model_copy(update={"seeds": tuple(seeds), "created_at": date, **changes})


def write_verdict(
    folder: Path, number: int = 1, runs: Sequence[SeedRun] | None = None, **changes: Any
) -> Path:
    """The file of a verdict, VERIFIED unless something is changed."""
    made = plan(number, **changes)
    verdict = judge(made, runs if runs is not None else honest_runs(made), evidence="runs/x")
    path = folder / f"verdict-{number}.json"
    path.write_text(verdict.model_dump_json(indent=2) + "\n")
    return path


def honest_runs(made: Verification) -> list[SeedRun]:
    return good_runs(made)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "leaderboard.json"
    path.write_text(EMPTY)
    return path


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """The file of the track that :func:`plan` runs on."""
    path = tmp_path / "strict.toml"
    write_track(path, rehearsal="false")
    path.write_text(path.read_text().replace('name = "smoke"', 'name = "strict"'))
    assert load_track(str(path)).digest == strict_track().digest
    return path


def test_a_verified_verdict_is_kept_with_all_that_it_is_bound_to(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    path = write_verdict(tmp_path)
    done = harness("leaderboard", "accept", path, "--leaderboard", board, "--track", strict)
    assert (done.code, done.err) == (0, "")
    verdict = Verdict.model_validate_json(path.read_text())
    (record,) = load_leaderboard(board).records
    assert record.verdict_sha256 == sha256_of_bytes(path.read_bytes())
    assert record.track_digest == verdict.digests.track == strict_track().digest
    assert record.submission_digest == verdict.digests.submission
    assert (record.submission, record.author) == ("Entry 1", "A. Author")
    assert record.mean_bpb == verdict.statistics.mean_bpb == pytest.approx(2.61)
    assert record.bar_bpb == verdict.statistics.bar_bpb == 3.4
    assert record.seeds == tuple(seed.seed for seed in verdict.seeds)
    assert record.bytes == max(
        (seed.artifact_bytes or 0) + seed.code_bytes for seed in verdict.seeds
    )
    assert record.date == "2025-11-01T12:00:00.000+00:00"


def test_the_same_verdict_again_changes_nothing(tmp_path: Path, board: Path, strict: Path) -> None:
    path = write_verdict(tmp_path)
    options = ("--leaderboard", board, "--track", strict)
    assert harness("leaderboard", "accept", path, *options).code == 0
    before = board.read_bytes()
    done = harness("leaderboard", "accept", path, *options)
    assert done.code == 0
    assert "already" in done.out
    assert board.read_bytes() == before


def test_one_submission_is_accepted_once(tmp_path: Path, board: Path) -> None:
    first = read_verdict(write_verdict(tmp_path))
    accept(board, first, track=strict_track())
    second = read_verdict(write_verdict(tmp_path, created_at="2025-11-20T12:00:00.000+00:00"))
    with pytest.raises(UsageError, match="one verdict each"):
        accept(board, second, track=strict_track())


@pytest.mark.parametrize("kind", ["REJECTED", "INCONCLUSIVE", "REHEARSED"])
def test_nothing_but_verified_is_accepted(
    tmp_path: Path, board: Path, strict: Path, kind: str
) -> None:
    made = plan()
    if kind == "REJECTED":
        path = write_verdict(tmp_path, runs=good_runs(made, (3.41, 3.42, 3.43)))
    elif kind == "INCONCLUSIVE":
        path = write_verdict(tmp_path, runs=honest_runs(made)[:2])
    else:
        path = write_verdict(tmp_path, track=load_track("smoke"))
    assert json.loads(path.read_text())["verdict"] == kind
    done = harness("leaderboard", "accept", path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert f"the verdict is {kind}" in done.err
    assert board.read_text() == EMPTY


def test_other_rules_of_the_same_name_are_not_the_contests(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    """A track file with a lower bar, and the official name."""
    path = write_verdict(tmp_path, track=strict_track(bar=Bar(bpb=99, source="mine")))
    done = harness("leaderboard", "accept", path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert "under other rules" in done.err


TAMPERINGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "verdict": lambda v: v.update(verdict="VERIFIED"),
    "passed": lambda v: [c.update(status="pass") for c in v["checks"] if c["status"] == "fail"],
    "mean": lambda v: v["statistics"].update(mean_bpb=1.0),
    "threshold": lambda v: v["statistics"].update(threshold_bpb=9.0),
    "significant": lambda v: v["statistics"].update(significant=True),
    "seeds": lambda v: v["seeds"].append(v["seeds"][0]),
    "a check less": lambda v: v["checks"].pop(0),
    "a check twice": lambda v: v["checks"].append(v["checks"][0]),
    "sandbox": lambda v: v.update(sandbox="process"),
    "date": lambda v: v.update(created_at="yesterday"),
    "unknown key": lambda v: v.update(extra=1),
    "infinite": lambda v: v["statistics"].update(bar_bpb=float("inf")),
    "long": lambda v: v.update(author="x" * 100_000),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_verdict_that_contradicts_itself_is_refused(tmp_path: Path, tampering: str) -> None:
    path = write_verdict(tmp_path, runs=good_runs(plan(), (3.41, 3.42, 3.43)))
    assert read_verdict(path).verdict.verdict == "REJECTED"
    document = json.loads(path.read_text())
    TAMPERINGS[tampering](document)
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"contradicts itself|not a verdict"):
        read_verdict(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"verdict": ' + b"1" * 5000 + b"}",
     b" " * (1 << 20) + b"{}", b'"' + b"x" * 30_000 + b'"'],
)  # fmt: skip
def test_nonsense_is_no_verdict(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "verdict.json"
    path.write_bytes(content)
    done = harness("scorecard", path, "--format", "markdown")
    assert done.code == 2
    assert "verdict.json" in done.err and "Traceback" not in done.err


def test_every_verdict_of_the_rules_is_consistent(tmp_path: Path) -> None:
    made = plan()
    for runs in (
        honest_runs(made), honest_runs(made)[:1], [], good_runs(made, (3.5, 3.6, 3.7)),
        good_runs(made, (2.6, 2.6, 2.6)),
    ):  # fmt: skip
        assert contradictions(judge(made, runs, evidence="x")) == []


def test_a_verdict_is_drawn_from_its_file_alone(tmp_path: Path) -> None:
    path = write_verdict(tmp_path)
    done = harness("scorecard", path, "--format", "markdown")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("## ✅ VERIFIED")
    assert "VERIFIED" in harness("scorecard", path).out


def test_a_run_is_judged_again_before_it_is_accepted(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    ledger, made = kept_run(tmp_path)
    options = ("--leaderboard", board, "--track", strict)
    better = judge(made, good_runs(made, (2.5, 2.51, 2.52)), evidence="x")
    kept = (ledger.directory / "verdict.json").read_bytes()
    ledger.write_verdict(better)
    done = harness("leaderboard", "accept", ledger.directory, *options)
    assert done.code == 2
    assert "not what follows from the evidence" in done.err
    (ledger.directory / "verdict.json").write_bytes(kept)
    assert harness("leaderboard", "accept", ledger.directory, *options).code == 0
    markdown = tmp_path / "card.md"
    assert harness("judge", ledger.directory, "--markdown", markdown).code == 0
    assert markdown.read_text().startswith("## ✅ VERIFIED")


def kept_run(tmp_path: Path, **changes: Any) -> tuple[Ledger, Verification]:
    """The directory of a verification with every file that its evidence speaks of."""
    submission = load_submission(write_submission(tmp_path / "submission"))
    made = plan(submission=submission.facts(), **changes)
    seeds = draw_seeds(
        submission_digest=submission.digest,
        track_digest=made.track_digest,
        nonce=made.nonce,
        count=len(made.seeds),
    )
    made = made.model_copy(update={"seeds": tuple(seeds)})
    ledger = Ledger.create(tmp_path / "runs", made, code=submission.contents)
    for run in honest_runs(made):
        assert run.artifact is not None and run.scoring is not None
        directory = ledger.begin_seed(run.seed)
        weights = f"weights of {run.seed}".encode()
        (directory / "artifact" / run.artifact.name).write_bytes(weights)
        documents = write_documents(directory / "documents.npz", run.scoring)
        digests = [{"sha256": sha256_of_bytes(content)} for content in (weights, documents)]
        artifact = run.artifact.model_copy(update={**digests[0], "bytes": len(weights)})
        scoring = run.scoring.model_copy(update={"documents_sha256": digests[1]["sha256"]})
        ledger.write_run(run.model_copy(update={"artifact": artifact, "scoring": scoring}))
    verdict = ledger.directory / "verdict.json"
    assert harness("judge", ledger.directory, "--json", verdict).code == 0
    ledger.directory.parent.rename(tmp_path / "moved")
    return Ledger.open(tmp_path / "moved" / ledger.directory.name), made


def write_documents(path: Path, scoring: ScoreFacts) -> bytes:
    """Documents that come to a score: all of its cost in the first one."""
    rest = np.zeros(scoring.documents - 1, np.int64)
    np.savez_compressed(
        path,
        nats=np.array([scoring.total_nats, *rest], np.float64),
        bytes=np.array([scoring.bytes, *rest], np.int64),
        targets=np.array([scoring.targets, *rest], np.int64),
    )
    return path.read_bytes()


@pytest.mark.parametrize("spoilt", ["artifact/model.bin", "documents.npz", "submission/model.py"])
def test_a_run_whose_files_were_changed_is_not_accepted(
    tmp_path: Path, board: Path, strict: Path, spoilt: str
) -> None:
    ledger, made = kept_run(tmp_path)
    inside = ledger.directory if spoilt.startswith("sub") else ledger.seed_directory(made.seeds[0])
    content = (inside / spoilt).read_bytes()
    (inside / spoilt).write_bytes(content + b"#")
    options = ("--leaderboard", board, "--track", strict)
    done = harness("leaderboard", "accept", ledger.directory, *options)
    assert done.code == 3
    assert str(inside / Path(spoilt).parts[0]) in done.err and "not " in done.err
    assert board.read_text() == EMPTY
    (inside / spoilt).write_bytes(content)
    assert harness("leaderboard", "accept", ledger.directory, *options).code == 0


def test_rules_that_were_changed_beside_their_digest_are_not_accepted(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    """Run under other rules, then given the contest's."""
    ledger, _ = kept_run(tmp_path)
    plan_file = ledger.directory / "verification.json"
    document = json.loads(plan_file.read_text())
    document["track_digest"] = "7" * 64
    plan_file.write_text(json.dumps(document))
    done = harness(
        *("leaderboard", "accept", ledger.directory, "--leaderboard", board, "--track", strict)
    )
    assert done.code == 2
    assert "not the rules whose digest stands beside them" in done.err


def test_a_verdict_of_the_future_is_not_accepted(tmp_path: Path, board: Path) -> None:
    path = write_verdict(tmp_path, created_at="9998-11-20T12:00:00.000+00:00")
    with pytest.raises(UsageError, match="lies in the future"):
        accept(board, read_verdict(path), track=strict_track())


def test_an_easier_bar_than_the_tracks_is_not_accepted(tmp_path: Path, board: Path) -> None:
    """A bar in the plan that no leaderboard ever gave: it only falls."""
    path = write_verdict(tmp_path, track=CONTEST, bar=BarFacts(bpb=9, source="leaderboard: x"))
    assert read_verdict(path).verdict.statistics.bar_bpb == 9
    with pytest.raises(UsageError, match="easier"):
        accept(board, read_verdict(path), track=CONTEST)


def test_they_are_kept_in_order_of_date(tmp_path: Path, board: Path) -> None:
    for number in (3, 1, 2):
        accept(board, read_verdict(write_verdict(tmp_path, number)), track=strict_track())
    assert [record.submission for record in load_leaderboard(board).records] == [
        "Entry 1",
        "Entry 2",
        "Entry 3",
    ]
    lines = board.read_text().splitlines()
    assert len(lines) == 5  # one record a line, so that a diff shows what was added


def test_two_processes_at_once_lose_nothing(tmp_path: Path, board: Path, strict: Path) -> None:
    """Each accepts twelve verdicts, one after the other, both at the same time."""
    shares = [
        [write_verdict(tmp_path, number) for number in range(first, 25, 2)] for first in (1, 2)
    ]
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.ledger.leaderboard import accept\n"
        "from harness.judge.verdict_file import read_verdict\n"
        "from harness.contest.track import load_track\n"
        "board, track, *verdicts = sys.argv[1:]\n"
        "verdicts = [read_verdict(Path(v)) for v in verdicts]\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for v in verdicts: accept(Path(board), v, track=load_track(track))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(board), str(strict), *map(str, share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for share in shares
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    names = [record.submission for record in load_leaderboard(board).records]
    assert names == [f"Entry {number}" for number in range(1, 25)]
    assert [path.name for path in board.parent.glob(".leaderboard*")] == []


def test_the_table_is_written_between_the_markers_and_nowhere_else(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_bytes(f"# Title\r\n\r\n{BEGIN}\nold\n{END}\r\nafter\n".encode())
    options = ("--leaderboard", board)
    assert harness("leaderboard", "write", page, *options).code == 0
    assert b"No record has been accepted yet." in page.read_bytes()
    hostile = plan().submission.model_copy(
        update={"name": f"| {END} @you ![x](http://x)", "author": "a\nb"}
    )
    accept(board, read_verdict(write_verdict(tmp_path, submission=hostile)), track=strict_track())
    done = harness("leaderboard", "write", page, *options)
    assert (done.code, done.err) == (0, "")
    text = page.read_bytes().decode()
    assert text.startswith(f"# Title\r\n\r\n{BEGIN}\n| date |") and text.endswith(
        f"{END}\r\nafter\n"
    )
    assert "2.610000 ± 0.010000" in text and "old" not in text
    again = harness("leaderboard", "write", page, *options)
    assert again.code == 0 and "up to date" in again.out
    shown = harness("leaderboard", "show", *options)
    assert shown.code == 0 and "2.610000" in shown.out


@pytest.mark.parametrize("text", ["", f"{END}{BEGIN}", BEGIN, f"{BEGIN}{BEGIN}{END}"])
def test_a_file_without_its_markers_is_left_alone(tmp_path: Path, board: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    done = harness("leaderboard", "write", page, "--leaderboard", board)
    assert done.code == 2 and "expected one line" in done.err
    assert page.read_text() == text


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": 2, "records": []}', '{"format": 1, "records": [{}]}', "{" * 10_000],
)
def test_a_damaged_leaderboard_is_refused_by_name(
    tmp_path: Path, board: Path, content: str
) -> None:
    board.write_text(content)
    done = harness("leaderboard", "show", "--leaderboard", board)
    assert done.code == 2 and str(board) in done.err
    board.unlink()
    done = harness("leaderboard", "show", "--leaderboard", board)
    assert done.code == 2 and "begin one" in done.err


def test_records_out_of_order_or_twice_are_damage(tmp_path: Path, board: Path) -> None:
    for number in (1, 2):
        accept(board, read_verdict(write_verdict(tmp_path, number)), track=strict_track())
    records = load_leaderboard(board).records
    for wrong in (records[::-1], (records[0], records[0])):
        board.write_bytes(leaderboard_json(Leaderboard(records=wrong)))
        with pytest.raises(UsageError, match="in order of date"):
            load_leaderboard(board)


def record(mean_bpb: float, **changes: object) -> Record:
    made = Record(
        verdict_sha256="b" * 64,
        date="2026-11-21T12:00:00+00:00",
        track="strict",
        edition="2026-11",
        track_digest="c" * 64,
        dataset="demo_sp1024",
        submission="Best",
        author="A. Author",
        submission_digest="d" * 64,
        harness_digest="e" * 64,
        mean_bpb=mean_bpb,
        sd_bpb=0.001,
        seeds=(1, 2, 3),
        p=0.001,
        bar_bpb=3.0,
        bytes=1000,
    )
    return made.model_copy(update=changes)


def listed(board: Path, *means: float, **changes: object) -> Path:
    records = tuple(
        record(mean, verdict_sha256=f"{index:064x}", **changes) for index, mean in enumerate(means)
    )
    board.write_bytes(leaderboard_json(Leaderboard(records=records)))
    return board


CONTEST = strict_track(bar=Bar(bpb=3.0, source="as published", leaderboard=True))


def test_the_bar_is_the_best_record_or_the_tracks_own(board: Path) -> None:
    assert bar_of(strict_track(), board / "not even looked at") is None
    assert bar_of(CONTEST, board) == BarFacts(bpb=3.0, source="as published")
    best = bar_of(CONTEST, listed(board, 2.9, 2.7, 2.8))
    assert best is not None
    assert (best.bpb, best.verdict_sha256) == (2.7, f"{1:064x}")
    assert "Best by A. Author" in best.source
    worse = bar_of(CONTEST, listed(board, 3.1))
    assert worse is not None and worse.bpb == 3.0
    for other in ({"track": "another"}, {"dataset": "another"}):
        assert bar_of(CONTEST, listed(board, 2.0, **other)) == BarFacts(
            bpb=3.0, source="as published"
        )
    board.unlink()
    with pytest.raises(UsageError, match="leaderboard"):
        bar_of(CONTEST, board)


@settings(max_examples=100)
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
    fixed = BarFacts(bpb=2.65, source="leaderboard: Best", verdict_sha256="b" * 64)
    made = plan(track=CONTEST, bar=fixed)
    easy, hard = (
        judge(made.model_copy(update={"bar": bar}), honest_runs(made), evidence="x").statistics
        for bar in (None, fixed)
    )
    assert (easy.bar_bpb, easy.bar_source) == (3.0, "as published")
    assert (hard.bar_bpb, hard.bar_source) == (2.65, "leaderboard: Best")
    beaten = judge(
        made.model_copy(update={"bar": BarFacts(bpb=2.6, source="x")}),
        honest_runs(made),
        evidence="x",
    )
    assert beaten.verdict == "REJECTED"
    other = judge(made, honest_runs(made), evidence="x", track=strict_track())
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
    assert Ledger.open(directory).verification.bar == bar_of(load_track(str(track)), board)
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
    assert official.bar.leaderboard and official.bar.bpb == 1.06145
    bar = bar_of(official, default_path())
    assert bar is not None and bar.bpb <= 1.06145


def test_a_leaderboard_needs_a_figure_to_begin_with(tmp_path: Path) -> None:
    track = write_track(tmp_path / "track.toml", baseline='"unigram"\nleaderboard = true')
    with pytest.raises(UsageError, match="leaderboard needs bpb"):
        load_track(str(track))


def test_what_was_read_is_what_is_hashed(tmp_path: Path) -> None:
    path = write_verdict(tmp_path)
    published = read_verdict(path)
    assert published == PublishedVerdict(published.verdict, sha256_of_bytes(path.read_bytes()))
    assert set(published.sha256) <= set(HEX)
