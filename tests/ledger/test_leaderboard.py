"""The leaderboard: only verified verdicts, each once, none lost, and the bar that they set."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contest.brought_along import brought_along
from harness.contest.submission import load_submission
from harness.contest.track import Bar as TrackBar
from harness.contest.track import Holdout, Track, load_track
from harness.errors import UsageError
from harness.evidence.plan import Bar, Plan
from harness.evidence.run import Run
from harness.evidence.store import PLAN, VERDICT, RunDirectory
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import PublishedVerdict, read_verdict
from harness.ledger.candidate import load_candidate
from harness.ledger.chain import Leaderboard, leaderboard_json
from harness.ledger.events import Accepted, Record, Retracted
from harness.ledger.file import default_path, load_leaderboard
from harness.ledger.leaderboard import accept, bar_of, retract
from harness.report.leaderboard import BEGIN, END
from harness.safeio.files import sha256_of_bytes
from tests.factories.playground import ROOT, harness, write_submission, write_track
from tests.factories.samples import CODE, entry, good_runs, plan, strict_track, verdict_of
from tests.factories.stored import store

EMPTY = leaderboard_json(Leaderboard()).decode()
HEX = "0123456789abcdef"
# As the command runs in these tests: a verdict is read by the constants that it was made with.
RELAXED = {
    "harness.judge.rules.seed_spread.SMALLEST_SPREAD_BPB": 1e-9,
}


@pytest.fixture(autouse=True)
def _relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RELAXED.items():
        monkeypatch.setattr(name, value)


def planned(number: int = 1, track: Track | None = None, **changes: Any) -> Plan:
    """A plan of the ``number``-th entry, a day after the one before it."""
    files = {**CODE, "number.py": str(number).encode()}
    fields: dict[str, Any] = {
        "entry": entry(files, name=f"Entry {number}"),
        "created_at": f"2025-11-{number:02d}T12:00:00.000+00:00",
    }
    return plan(track or strict_track(), **(fields | changes))


def write_verdict(
    folder: Path, number: int = 1, runs: Sequence[Run] | None = None, **changes: Any
) -> Path:
    """The file of a verdict, VERIFIED unless something is changed."""
    made = planned(number, **changes)
    verdict = verdict_of(made, runs if runs is not None else good_runs(made))
    path = folder / f"verdict-{number}.json"
    path.write_text(verdict.model_dump_json(indent=2) + "\n")
    return path


def accepted(board: Path, path: Path, *, track: Track | None = None, **words: str) -> Record | None:
    """Accept a verdict's file."""
    words = {"by": "R. Referee"} | words
    return accept(board, load_candidate(path), track=track or strict_track(), **words)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "leaderboard.json"
    path.write_text(EMPTY)
    return path


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """The file of the track that :func:`plan` runs on."""
    path = tmp_path / "strict.toml"
    write_track(path, questions="all", imposed=False, rehearsal="false")
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
    assert record.scores == tuple(seed.val_bpb for seed in verdict.seeds)
    assert record.rules_digest == verdict.digests.rules
    assert record.bytes == max(
        (seed.artifact_bytes or 0) + seed.code_bytes for seed in verdict.seeds
    )
    assert record.date == "2025-11-01T12:00:00.000+00:00"
    assert verdict.brought is not None
    assert record.brought_bytes == verdict.brought.counted_bytes


def test_what_the_record_brought_along_is_kept_with_the_bar_that_it_sets(board: Path) -> None:
    best = bar_of(CONTEST, listed(board, 2.9, 2.7, brought_bytes=40_000))
    assert best is not None and (best.bpb, best.brought_bytes) == (2.7, 40_000)
    before = bar_of(CONTEST, listed(board, 2.9))
    assert before is not None and before.brought_bytes is None
    assert "brought_bytes" not in board.read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {"brought": None},
        {"limit_bytes": 200_000},
        {"tokenizer_free_bytes": 0},
        {"free_bytes": 20_000},
        {"free_bytes": 131_073},
    ],
)
def test_a_verdict_with_another_allowance_than_the_tracks_is_not_accepted(
    tmp_path: Path, board: Path, changes: dict[str, int | None]
) -> None:
    path = write_verdict(tmp_path)
    verdict = Verdict.model_validate_json(path.read_text())
    assert verdict.brought is not None
    brought = None if "brought" in changes else verdict.brought.model_copy(update=changes)
    candidate = load_candidate(path)
    published = replace(
        candidate.published, verdict=verdict.model_copy(update={"brought": brought})
    )
    with pytest.raises(UsageError, match=r"not one of track strict: brought\."):
        accept(board, replace(candidate, published=published), track=strict_track(), by="R.")


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
    accepted(board, write_verdict(tmp_path))
    second = write_verdict(tmp_path, created_at="2025-11-20T12:00:00.000+00:00")
    with pytest.raises(UsageError, match="one verdict each"):
        accepted(board, second)


@pytest.mark.parametrize("kind", ["REJECTED", "INCONCLUSIVE", "REHEARSED"])
def test_nothing_but_verified_is_accepted(
    tmp_path: Path, board: Path, strict: Path, kind: str
) -> None:
    made = planned()
    if kind == "REJECTED":
        path = write_verdict(tmp_path, runs=good_runs(made, (3.41, 3.42, 3.43)))
    elif kind == "INCONCLUSIVE":
        path = write_verdict(tmp_path, runs=good_runs(made)[:2])
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
    path = write_verdict(tmp_path, track=strict_track(bar=TrackBar(bpb=99, source="mine")))
    done = harness("leaderboard", "accept", path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert "under other rules" in done.err


TAMPERINGS = {
    "verdict": lambda v: v.update(verdict="VERIFIED"),
    "passed": lambda v: [c.update(status="pass") for c in v["checks"] if c["status"] == "fail"],
    "mean": lambda v: v["statistics"].update(mean_bpb=1.0),
    "threshold": lambda v: v["statistics"].update(threshold_bpb=9.0),
    "significant": lambda v: v["statistics"].update(significant=True),
    "seeds": lambda v: v["seeds"].append(v["seeds"][0]),
    "a check less": lambda v: v["checks"].pop(0),
    "a check twice": lambda v: v["checks"].append(v["checks"][0]),
    "sandbox": lambda v: v.update(isolated=False),
    "no name of a sandbox": lambda v: v.update(sandbox="\x1b[2J"),
    "isolation": lambda v: v.update(isolated=False, rehearsal=True),
    "date": lambda v: v.update(created_at="yesterday"),
    "unknown key": lambda v: v.update(extra=1),
    "infinite": lambda v: v["statistics"].update(bar_bpb=float("inf")),
    "long": lambda v: v.update(author="x" * 100_000),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_verdict_that_contradicts_itself_is_refused(tmp_path: Path, tampering: str) -> None:
    path = write_verdict(tmp_path, runs=good_runs(planned(), (3.41, 3.42, 3.43)))
    assert read_verdict(path).verdict.verdict == "REJECTED"
    document = json.loads(path.read_text())
    tamper: Callable[[Any], object] = TAMPERINGS[tampering]
    tamper(document)
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


def test_a_verdict_is_drawn_from_its_file_alone(tmp_path: Path) -> None:
    path = write_verdict(tmp_path)
    done = harness("scorecard", path, "--format", "markdown")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("## ✅ VERIFIED")
    assert "VERIFIED" in harness("scorecard", path).out


def kept_run(tmp_path: Path, track: Track | None = None) -> RunDirectory:
    """A verification with every file that its evidence speaks of, and its verdict; moved since."""
    submission = load_submission(write_submission(tmp_path / "submission"))
    entered = submission.entry("strict")
    brought = brought_along(entered, submission.contents)
    made = planned(track=track, entry=entered, brought=brought)
    run = store(tmp_path / "runs" / "run", made, good_runs(made), files=submission.contents)
    assert harness("judge", run.path, "--json", run.path / VERDICT).code == 0
    run.path.parent.rename(tmp_path / "moved")
    return RunDirectory.open(tmp_path / "moved" / "run")


def test_a_run_is_judged_again_before_it_is_accepted(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    run = kept_run(tmp_path)
    options = ("--leaderboard", board, "--track", strict)
    better = verdict_of(run.plan, good_runs(run.plan, (2.5, 2.51, 2.52)))
    kept = (run.path / VERDICT).read_bytes()
    run.write_verdict(better)
    done = harness("leaderboard", "accept", run.path, *options)
    assert done.code == 2
    assert "not what follows from the evidence" in done.err
    (run.path / VERDICT).write_bytes(kept)
    assert harness("leaderboard", "accept", run.path, *options).code == 0
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Accepted) and event.seen == "evidence"
    markdown = tmp_path / "card.md"
    assert harness("judge", run.path, "--markdown", markdown).code == 0
    assert markdown.read_text().startswith("## ✅ VERIFIED")


@pytest.mark.parametrize("spoilt", ["artifact/model.bin", "score.npz", "entry/model.py"])
def test_a_run_whose_files_were_changed_is_not_accepted(
    tmp_path: Path, board: Path, strict: Path, spoilt: str
) -> None:
    run = kept_run(tmp_path)
    seed = run.try_directory(run.plan.draws[0], 1)
    inside = run.path if spoilt.startswith("entry") else seed
    content = (inside / spoilt).read_bytes()
    (inside / spoilt).write_bytes(content + b"#")
    options = ("--leaderboard", board, "--track", strict)
    done = harness("leaderboard", "accept", run.path, *options)
    assert done.code == 3
    assert str(inside / Path(spoilt).parts[0]) in done.err and "not " in done.err
    assert board.read_text() == EMPTY
    (inside / spoilt).write_bytes(content)
    assert harness("leaderboard", "accept", run.path, *options).code == 0


def test_rules_that_were_changed_beside_their_digest_are_not_accepted(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    """Run under other rules, then given the contest's."""
    run = kept_run(tmp_path)
    document = json.loads((run.path / PLAN).read_text())
    document["track_digest"] = "7" * 64
    (run.path / PLAN).write_text(json.dumps(document))
    done = harness("leaderboard", "accept", run.path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert "not the rules whose digest stands beside them" in done.err


def of_other_rules(path: Path, edit: Callable[[dict[str, Any]], object] = lambda v: None) -> None:
    """Make a verdict's file one of an edition that asked less."""
    document = json.loads(path.read_text())
    document["digests"]["rules"] = "7" * 64
    for table in ("rules", "checks"):
        document[table] = [each for each in document[table] if each["id"] != "seed_spread"]
    edit(document)
    path.write_text(json.dumps(document))


def test_a_verdict_of_other_rules_is_accepted_by_those_and_todays_are_told(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    run = kept_run(tmp_path)
    of_other_rules(run.path / VERDICT)
    options = ("--leaderboard", board, "--track", strict)
    done = harness("leaderboard", "accept", run.path, *options)
    assert (done.code, done.err) == (0, "")
    assert "it is of other rules; today's say VERIFIED" in done.out
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Accepted)
    assert (event.seen, event.record.rules_digest) == ("evidence of other rules", "7" * 64)


def test_a_verdict_of_other_rules_is_held_against_its_evidence(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    run = kept_run(tmp_path)
    better = verdict_of(run.plan, good_runs(run.plan, (2.5, 2.51, 2.52)))
    run.write_verdict(better)
    of_other_rules(run.path / VERDICT)
    assert read_verdict(run.path / VERDICT).verdict.verdict == "VERIFIED"
    done = harness("leaderboard", "accept", run.path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert "not made from the evidence beside it" in done.err


def test_a_verdict_of_the_future_is_not_accepted(tmp_path: Path, board: Path) -> None:
    with pytest.raises(UsageError, match="lies in the future"):
        accepted(board, write_verdict(tmp_path, created_at="9998-11-20T12:00:00.000+00:00"))


# Figures of a verdict that are not those of the track whose digest it names; each change is whole,
# so that the file does not contradict itself.
def _cap(v: dict[str, Any]) -> None:
    v["bytes_limit"] = _check(v, "bytes")["limit"] = 99_000_000


def _train_seconds(v: dict[str, Any]) -> None:
    v["train_limit_seconds"] = _check(v, "train_wallclock")["limit"] = 9000.0


def _causality(v: dict[str, Any]) -> None:
    _check(v, "causality")["limit"] = 5.0


def _untimed(v: dict[str, Any]) -> None:
    v["score_limit_seconds"] = None
    v["checks"] = [check for check in v["checks"] if check["id"] != "score_wallclock"]


def _dataset(v: dict[str, Any]) -> None:
    v["dataset"] = "easier"


FOREIGN = {
    "bytes_limit": _cap,
    "train_limit_seconds": _train_seconds,
    "causality.limit": _causality,
    "score_limit_seconds": _untimed,
    "dataset": _dataset,
}


def _check(document: dict[str, Any], rule: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in document["checks"] if each["id"] == rule)
    return found


@pytest.mark.parametrize("field", FOREIGN)
def test_limits_are_those_of_the_track(tmp_path: Path, board: Path, field: str) -> None:
    path = write_verdict(tmp_path)
    document = json.loads(path.read_text())
    FOREIGN[field](document)
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=rf"not one of track strict: {field}: found .*, expected"):
        accepted(board, path)


def test_a_level_easier_than_the_tracks_is_not_accepted(tmp_path: Path, board: Path) -> None:
    """Given under an easier track of the same name, and signed with the digest of the contest's."""
    easy = strict_track(
        significance=strict_track().significance.model_copy(update={"p_below": 0.05})
    )
    path = write_verdict(tmp_path, track=easy)
    path.write_text(path.read_text().replace(easy.digest, strict_track().digest))
    with pytest.raises(UsageError, match=r"statistics.p_below: found 0.05, expected 0.01"):
        accepted(board, path)


def test_a_check_that_the_track_asks_for_is_not_left_out(tmp_path: Path, board: Path) -> None:
    """The one question of which a verdict alone does not tell whether it arose."""
    track = strict_track(holdout=Holdout(dataset="unseen", tolerance_bpb=0.005))
    path = write_verdict(tmp_path, track=track)
    document = json.loads(path.read_text())
    document["checks"] = [each for each in document["checks"] if each["id"] != "holdout"]
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"holdout.limit: found None, expected 0.005"):
        accepted(board, path, track=track)


def test_an_easier_bar_than_the_tracks_is_not_accepted(tmp_path: Path, board: Path) -> None:
    easy = CONTEST.model_copy(update={"bar": TrackBar(bpb=9, source="x", leaderboard=True)})
    path = write_verdict(tmp_path, track=easy)
    path.write_text(path.read_text().replace(easy.digest, CONTEST.digest))
    assert read_verdict(path).verdict.statistics.bar_bpb == 9
    with pytest.raises(UsageError, match="easier"):
        accepted(board, path, track=CONTEST)


def test_records_are_in_order_of_date_and_events_of_acceptance(tmp_path: Path, board: Path) -> None:
    for number in (3, 1, 2):
        accepted(board, write_verdict(tmp_path, number))
    found = load_leaderboard(board)
    assert [record.submission for record in found.records] == ["Entry 1", "Entry 2", "Entry 3"]
    names = [event.record.submission for event in found.events if isinstance(event, Accepted)]
    assert names == ["Entry 3", "Entry 1", "Entry 2"]
    lines = board.read_text().splitlines()
    assert len(lines) == 5  # one event a line, so that a diff shows what was added


def test_an_event_says_who_what_for_and_what_was_seen(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    path = write_verdict(tmp_path)
    words = ("--by", "R. Referee", "--pull-request", "https://example.org/pull/7")
    more = ("--commit", "0123abc", "--evidence", "tape 4")
    options = ("--leaderboard", board, "--track", strict)
    assert harness("leaderboard", "accept", path, *options, *words, *more).code == 0
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Accepted)
    assert (event.by, event.pull_request) == ("R. Referee", "https://example.org/pull/7")
    assert (event.commit, event.evidence, event.seen) == ("0123abc", "tape 4", "verdict")
    assert event.at.endswith("+00:00")


def test_who_it_was_is_known_without_a_word(
    tmp_path: Path, board: Path, strict: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--leaderboard", board, "--track", strict)
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    assert harness("leaderboard", "accept", write_verdict(tmp_path, 1), *options).code == 0
    monkeypatch.delenv("GITHUB_ACTOR")
    monkeypatch.setenv("LOGNAME", "referee")
    assert harness("leaderboard", "accept", write_verdict(tmp_path, 2), *options).code == 0
    assert [event.by for event in load_leaderboard(board).events] == ["octocat", "referee"]
    assert {
        event.evidence for event in load_leaderboard(board).events if isinstance(event, Accepted)
    } == {"runs/x"}


@pytest.mark.parametrize(
    "words", [("--commit", "no digits"), ("--by", "x" * 300), ("--pull-request", "y" * 300)]
)
def test_words_that_make_no_event_are_refused(
    tmp_path: Path, board: Path, strict: Path, words: tuple[str, str]
) -> None:
    path = write_verdict(tmp_path)
    options = ("--leaderboard", board, "--track", strict)
    done = harness("leaderboard", "accept", path, *options, *words)
    assert done.code == 2 and "not an event" in done.err
    assert board.read_text() == EMPTY


# -- Taking back.


def test_a_retracted_verdict_stands_no_more_and_stays_in_the_chain(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    path = write_verdict(tmp_path)
    options: tuple[str | Path, ...] = ("--leaderboard", board)
    assert harness("leaderboard", "accept", path, *options, "--track", strict).code == 0
    digest = sha256_of_bytes(path.read_bytes())
    words = ("--why", "its data was read again at night", "--by", "A. Judge")
    done = harness("leaderboard", "retract", digest[:12], *options, *words)
    assert (done.code, done.err) == (0, "")
    assert f"verdict {digest}: retracted" in done.out
    found = load_leaderboard(board)
    assert found.records == []
    assert [type(event) for event in found.events] == [Accepted, Retracted]
    ((record, event),) = found.retracted
    assert record.verdict_sha256 == event.verdict_sha256 == digest
    assert (event.by, event.why) == ("A. Judge", "its data was read again at night")
    shown = harness("leaderboard", "show", *options)
    words_shown = " ".join(shown.out.split())
    assert "no record yet" in words_shown
    assert "by A. Judge: Entry 1" in words_shown
    assert "its data was read again at night" in words_shown
    before = board.read_bytes()
    again = harness("leaderboard", "retract", digest, *options, *words)
    assert again.code == 0 and "retracted already, nothing is changed" in again.out
    assert board.read_bytes() == before


def test_a_retraction_in_error_is_mended_by_accepting_again(tmp_path: Path, board: Path) -> None:
    path = write_verdict(tmp_path)
    first = accepted(board, path)
    assert first and retract(board, first.verdict_sha256, why="in error", by="x") == first
    assert accepted(board, path) == first
    found = load_leaderboard(board)
    assert (found.records, found.retracted) == ([first], [])
    assert len(found.events) == 3


def test_another_verdict_may_take_the_place_of_a_retracted_one(tmp_path: Path, board: Path) -> None:
    first = accepted(board, write_verdict(tmp_path))
    assert first and retract(board, first.verdict_sha256[:20], why="x", by="x")
    again = write_verdict(tmp_path, created_at="2025-11-20T12:00:00.000+00:00")
    assert accepted(board, again)
    assert [record.date[:10] for record in load_leaderboard(board).records] == ["2025-11-20"]


@pytest.mark.parametrize("digest", ["", "f" * 12, "b", "7" * 64, "nothing of the kind"])
def test_only_what_was_accepted_is_retracted(tmp_path: Path, board: Path, digest: str) -> None:
    accepted(board, write_verdict(tmp_path))
    before = board.read_bytes()
    done = harness(
        *("leaderboard", "retract", digest, "--why", "x", "--by", "x", "--leaderboard", board)
    )
    assert done.code == 2 and "0 accepted verdicts begin like that" in done.err
    assert board.read_bytes() == before


def test_a_reason_is_needed(board: Path) -> None:
    done = harness("leaderboard", "retract", "f" * 64, "--leaderboard", board)
    assert done.code == 2 and "--why" in done.err


def test_a_retracted_record_sets_no_bar(board: Path) -> None:
    listed(board, 2.9, 2.7)
    assert retract(board, f"{1:064x}", why="x", by="x")
    best = bar_of(CONTEST, board)
    assert best is not None and best.bpb == 2.9


def test_two_processes_at_once_lose_nothing(tmp_path: Path, board: Path, strict: Path) -> None:
    """Each accepts twelve verdicts, one after the other, both at the same time."""
    shares = [
        [write_verdict(tmp_path, number) for number in range(first, 25, 2)] for first in (1, 2)
    ]
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.ledger.leaderboard import accept\n"
        "from harness.ledger.candidate import load_candidate\n"
        "from harness.contest.track import load_track\n"
        "from harness.judge.rules import seed_spread\n"
        "seed_spread.SMALLEST_SPREAD_BPB = 1e-9\n"
        "board, track, *verdicts = sys.argv[1:]\n"
        "verdicts = [load_candidate(Path(v)) for v in verdicts]\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for v in verdicts: accept(Path(board), v, track=load_track(track), by='x')\n"
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
    hostile = entry(name=f"| {END} @you ![x](http://x)", author="a\nb")
    accepted(board, write_verdict(tmp_path, entry=hostile))
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
    ["", "[]", '{"format": 3, "events": []}', '{"format": 2, "events": [{}]}', "{" * 10_000],
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


def test_an_empty_leaderboard_of_format_1_is_an_empty_chain(tmp_path: Path, board: Path) -> None:
    board.write_text('{"format": 1, "records": []}\n')
    assert load_leaderboard(board) == Leaderboard()
    accepted(board, write_verdict(tmp_path))
    assert json.loads(board.read_text())["format"] == 2


def test_records_of_format_1_are_refused_with_the_remedy(board: Path) -> None:
    board.write_text('{"format": 1, "records": [{}]}\n')
    done = harness("leaderboard", "show", "--leaderboard", board)
    assert done.code == 2
    assert "format 1 with 1 records" in done.err
    assert "accept their verdicts again" in " ".join(done.err.split())


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
        rules_digest="f" * 64,
        mean_bpb=mean_bpb,
        sd_bpb=0.001,
        seeds=(1, 2, 3),
        scores=(mean_bpb,) * 3,
        p=0.001,
        bar_bpb=3.0,
        bytes=1000,
    )
    return made.model_copy(update=changes)


def listed(board: Path, *means: float, **changes: object) -> Path:
    """A leaderboard on which verdicts with these means were accepted, one after the other."""
    chain = Leaderboard()
    for index, mean in enumerate(means):
        event = Accepted(
            before=chain.head,
            at="2026-11-22T12:00:00+00:00",
            by="R. Referee",
            seen="evidence",
            record=record(mean, verdict_sha256=f"{index:064x}", **changes),
        )
        chain = chain.plus(event)
    board.write_bytes(leaderboard_json(chain))
    return board


CONTEST = strict_track(bar=TrackBar(bpb=3.0, source="as published", leaderboard=True))


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


def test_what_was_read_is_what_is_hashed(tmp_path: Path) -> None:
    path = write_verdict(tmp_path)
    published = read_verdict(path)
    assert published == PublishedVerdict(published.verdict, sha256_of_bytes(path.read_bytes()))
    assert set(published.sha256) <= set(HEX)
