"""Many stored verifications judged again, and what a new edition of the rules changes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.contest.track import Bar as TrackBar
from harness.contest.track import Track
from harness.evidence.places import VERDICT
from harness.evidence.plan import Plan
from harness.evidence.store import RunDirectory
from harness.judge.check_figures import sizes_of
from harness.judge.rejudge import Rejudged, find_runs, rejudge
from harness.judge.stored import judge_stored
from tests.factories.plans import CODE, entry, plan, strict_track
from tests.factories.playground import ROOT, harness, write_track
from tests.factories.runs import good_runs
from tests.factories.stored import store, write_model

CONTEST = strict_track(bar=TrackBar(bpb=3.0, source="as published"))


def planned(number: int, track: Track = CONTEST) -> Plan:
    files = {**CODE, "number.py": str(number).encode()}
    return plan(
        track,
        entry=entry(files, name=f"Entry {number}"),
        created_at=f"2025-11-{number % 28 + 1:02d}T12:00:00.000+00:00",
    )


def kept(
    path: Path, number: int, means: Sequence[float] = (2.61,), track: Track = CONTEST
) -> RunDirectory:
    """A verification with its verdict; the mean of its three seeds is that of ``means``."""
    made = planned(number, track)
    files = {**CODE, "number.py": str(number).encode()}
    (mean,) = means
    directory = store(path, made, good_runs(made, (mean - 0.001, mean, mean + 0.001)), files=files)
    write_model(directory.path / VERDICT, judge_stored(directory))
    return directory


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Four verifications, in order of their scores: the last does not beat the bar."""
    for number, mean in enumerate((2.5, 2.6, 2.7, 3.2)):
        kept(tmp_path / "archive" / f"run-{number}", number, (mean,))
    return tmp_path / "archive"


def test_figures_that_make_no_sense_together_are_damage_and_no_failure_of_ours(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise OverflowError("int too large to convert to float")

    monkeypatch.setattr("harness.judge.stored.judge", fail)
    done = harness("judge", archive / "run-1")
    assert done.code == 2 and "Traceback" not in done.err
    assert f"{archive / 'run-1/plan.json'}: damaged" in done.err and "int too large" in done.err


def test_a_name_that_is_no_text_loses_no_result(archive: Path) -> None:
    (archive / "run-1").rename(archive / "\udcff")
    for options in ((), ("--diff",)):
        done = harness("judge", archive, "--json", "-", *options)
        assert done.code == 0, done.err
        listed = json.loads(done.out[done.out.index("[\n") :])
        assert f"{archive}/?" in [each["directory"] for each in listed]


def test_folders_and_directories_are_found_once_and_in_order(archive: Path) -> None:
    runs = [archive / f"run-{number}" for number in range(4)]
    assert find_runs([archive]) == runs
    assert find_runs([runs[2], archive]) == [runs[2], runs[0], runs[1], runs[3]]
    nothing = archive / "nothing"
    assert find_runs([nothing]) == [nothing]
    assert find_runs([archive / ("x" * 300)]) == [archive / ("x" * 300)]


def test_a_directory_that_cannot_be_looked_at_is_not_passed_over(archive: Path) -> None:
    loop = archive / "run-5"
    loop.symlink_to(loop)
    judged = rejudge(find_runs([archive]))
    assert len(judged) == 5
    assert f"{loop}/plan.json: cannot be looked at" in str(judged[-1].trouble)


def test_the_same_rules_change_nothing(archive: Path) -> None:
    judged = rejudge(find_runs([archive]), compare=True)
    assert [each.changed for each in judged] == [False] * 4
    assert [each.rank for each in judged] == [each.kept_rank for each in judged] == [1, 2, 3, None]
    assert [each.verdict.verdict for each in judged if each.verdict] == ["VERIFIED"] * 3 + [
        "REJECTED"
    ]


def test_in_processes_it_is_the_same(archive: Path) -> None:
    for number in range(4, 20):
        kept(archive / f"run-{number}", number, (2.7 + number / 100,))
    paths = find_runs([archive])
    assert len(paths) == 20
    assert rejudge(paths, compare=True, workers=2) == rejudge(paths, compare=True, workers=1)


def test_a_new_edition_is_seen_before_it_is_published(archive: Path) -> None:
    """A lower bar: one falls, and the others keep their places."""
    edition = strict_track(bar=TrackBar(bpb=2.698, source="a new edition"))
    judged = rejudge(find_runs([archive]), track=edition, compare=True)
    assert [each.word_changed for each in judged] == [False, False, True, False]
    assert [(each.kept_rank, each.rank) for each in judged] == [
        (1, 1),
        (2, 2),
        (3, None),
        (None,) * 2,
    ]
    change, unasked = judged[2].changes
    assert change.rule == "significance"
    assert unasked.rule == "doubts" and unasked.after is None
    assert change.before and change.after
    assert (change.before.status, change.after.status) == ("pass", "fail")
    assert change.before.detail == "the mean lies below the bar by more than the margin"
    assert change.after.detail == "the mean does not lie below the bar by the margin"


def test_limits_that_move_are_told_though_all_still_pass(archive: Path) -> None:
    budget = CONTEST.budget.model_copy(update={"bytes": 8_000_000})
    edition = CONTEST.model_copy(update={"budget": budget})
    judged = rejudge(find_runs([archive]), track=edition, compare=True)
    for each in judged:
        assert [change.rule for change in each.changes] == ["bytes"]
        (change,) = each.changes
        assert change.before and change.after
        assert (change.before.limit, change.after.limit) == (16_000_000, 8_000_000)
        assert not each.changed


def test_a_question_that_is_not_asked_any_more_is_told(archive: Path) -> None:
    budget = CONTEST.budget.model_copy(update={"score_seconds": None})
    judged = rejudge(
        find_runs([archive]), track=CONTEST.model_copy(update={"budget": budget}), compare=True
    )
    for each in judged:
        (change,) = each.changes
        assert (change.rule, change.after) == ("score_wallclock", None)


def test_who_falls_makes_room(archive: Path) -> None:
    """A cap that the heaviest of three does not fit under."""
    before = rejudge(find_runs([archive]))[:3]
    sizes = [max(sizes_of(each.verdict)) for each in before if each.verdict]
    cap = max(sizes) - 1
    edition = CONTEST.model_copy(
        update={"budget": CONTEST.budget.model_copy(update={"bytes": cap})}
    )
    judged = rejudge(find_runs([archive]), track=edition, compare=True)[:3]
    fits = [size <= cap for size in sizes]
    assert [each.rank is not None for each in judged] == fits
    assert [each.rank for each in judged if each.rank] == list(range(1, sum(fits) + 1))
    assert [each.kept_rank for each in judged] == [1, 2, 3]


def test_a_submission_has_one_place(archive: Path, tmp_path: Path) -> None:
    """As on the leaderboard: the first verdict of it is the one, however well it did again."""
    made = planned(1).model_copy(update={"created_at": "2025-11-27T12:00:00.000+00:00"})
    files = {**CODE, "number.py": b"1"}
    store(archive / "run-9", made, good_runs(made, (2.3, 2.31, 2.32)), files=files)
    judged = {Path(each.directory).name: each for each in rejudge(find_runs([archive]))}
    assert judged["run-9"].verdict and judged["run-9"].verdict.verdict == "VERIFIED"
    assert [judged[f"run-{n}"].rank for n in (0, 1, 2, 9)] == [1, 2, 3, None]


def test_tracks_have_places_of_their_own(archive: Path) -> None:
    other = CONTEST.model_copy(update={"name": "another"})
    kept(archive / "run-8", 8, (2.9,), other)
    assert rejudge(find_runs([archive]))[-1].rank == 1


def spoil(archive: Path) -> None:
    """Damaged evidence, a file that is not what was sealed, and a verdict that nobody gave."""
    plan_file = archive / "run-0" / "plan.json"
    plan_file.write_text(plan_file.read_text().replace('"nonce"', '"once"'))
    artifact = next((archive / "run-1").glob("seed-*/try-1/artifact/model.bin"))
    artifact.write_bytes(b"x")
    verdict = archive / "run-2" / VERDICT
    verdict.write_text(verdict.read_text().replace('"mean_bpb": 2.7', '"mean_bpb": 2.1', 1))


def test_what_cannot_be_judged_is_told_and_the_rest_goes_on(archive: Path) -> None:
    spoil(archive)
    found = rejudge(find_runs([archive]), compare=True)
    faults = [each.trouble.fault if each.trouble else None for each in found]
    assert faults == ["usage", None, None, None]
    assert found[0].trouble and "run-0/plan.json: damaged evidence" in found[0].trouble.message
    assert found[2].verdict and found[2].kept is None
    assert "contradicts itself: statistics.mean_bpb: found 2.1" in found[2].unreadable
    with_files = rejudge(find_runs([archive]), files=True)
    faults = [each.trouble.fault if each.trouble else None for each in with_files]
    assert faults == ["usage", "infrastructure", None, None]


def test_evidence_of_format_1_is_told_as_such(archive: Path) -> None:
    old = archive / "old"
    old.mkdir()
    (old / "verification.json").write_text("{}")
    judged = rejudge(find_runs([archive]))
    assert judged[0].trouble and "format 1" in judged[0].trouble.message


def test_figures_beyond_reckoning_are_damage(archive: Path) -> None:
    """They hold together, so evidence takes them; no test can."""
    for evidence in (archive / "run-0").glob("seed-*/try-1/evidence.json"):
        document = json.loads(evidence.read_text())
        scores = next(step["result"] for step in document["steps"] if step["name"] == "score")
        for figure in ("total_nats", "total_bits", "val_loss", "val_bpb"):
            scores[figure] *= 1e302
        evidence.write_text(json.dumps(document))
    judged = rejudge(find_runs([archive]))
    assert judged[0].trouble is None or judged[0].trouble.fault == "usage"
    assert judged[1].verdict


# -- The command.


def run(*arguments: str | Path) -> Any:
    return harness("judge", *arguments)


def test_several_are_a_table_and_a_list(archive: Path) -> None:
    done = run(archive)
    assert done.code == 0
    for words in ("Entry 0", "Entry 3", "2.500000", "4 judged: 1 REJECTED, 3 VERIFIED"):
        assert words in done.out
    listed = json.loads(run(archive, "--json", "-").out)
    assert [each["verdict"]["verdict"] for each in listed] == ["VERIFIED"] * 3 + ["REJECTED"]
    assert [each["rank"] for each in listed] == [1, 2, 3, None]
    assert Rejudged.model_validate(listed[0]).kept is None


def test_one_is_a_scorecard_and_a_verdict(archive: Path) -> None:
    done = run(archive / "run-3", "--json", "-")
    assert done.code == 1
    assert done.verdict["verdict"] == "REJECTED"
    assert "REJECTED" in done.err


def test_a_folder_is_a_list_even_of_one(archive: Path) -> None:
    (archive / "run-0").rename(archive.parent / "alone")
    folder = archive.parent / "folder"
    folder.mkdir()
    (archive.parent / "alone").rename(folder / "alone")
    assert len(json.loads(run(folder, "--json", "-").out)) == 1


def test_files_of_one_are_compared_and_of_several_on_demand(archive: Path) -> None:
    spoil(archive)
    assert run(archive / "run-1").code == 3
    assert run(archive / "run-1", "--diff").code == 0
    assert run(archive / "run-1", "--diff", "--files").code == 3
    assert run(archive / "run-1", archive / "run-3").code == 0
    assert run(archive / "run-1", archive / "run-3", "--files").code == 3


def unbroken(text: str) -> str:
    """Without white space: a place is long, and a line may be broken anywhere."""
    return "".join(text.split())


def test_the_exit_code_tells_whether_all_were_judged(archive: Path) -> None:
    spoil(archive)
    done = run(archive)
    assert done.code == 2
    assert "notjudged:" in unbroken(done.out) and "run-0/plan.json" in unbroken(done.out)
    assert "3 judged" in done.out and "1 not judged" in done.out
    both = run(archive, "--files")
    assert both.code == 3
    assert "model.bin" in both.out
    gone = run(archive / "run-3", archive / "gone")
    assert gone.code == 2
    assert "notthedirectoryofaverification" in unbroken(gone.out)


def test_diff_shows_what_changes_and_why(archive: Path, tmp_path: Path) -> None:
    track = tmp_path / "edition.toml"
    write_track(track, questions="all", imposed=False, rehearsal="false", baseline='"unigram"')
    text = track.read_text().replace('name = "smoke"', 'name = "strict"')
    text = text.replace('baseline = "unigram"', "bpb = 2.698")
    track.write_text(text.replace('next_baseline = "witten_bell_bigram"\n', ""))
    for directory in archive.iterdir():
        assert run(directory, "--json", directory / VERDICT).code in (0, 1)
    done = run(archive, "--diff", "--track", track)
    assert done.code == 0
    words = " ".join(done.out.split())
    for expected in (
        "Entry 2",
        "the mean does not lie below the bar by the margin",
        "VERIFIED to REJECTED: 1",
        "significance pass to fail: 1",
        "4 compared with what was kept: 1 verdicts, 2 checks and 1 ranks change",
    ):
        assert expected in words, done.out
    assert "Entry 0" not in done.out
    same = run(archive, "--diff")
    assert "0 verdicts, 0 checks and 0 ranks change" in " ".join(same.out.split())


def test_a_scorecard_as_markdown_is_of_one(archive: Path, tmp_path: Path) -> None:
    done = run(archive, "--markdown", tmp_path / "scorecard.md")
    assert done.code == 2 and "one run directory" in done.err


def test_strangers_words_are_plain_text(tmp_path: Path) -> None:
    made = plan(CONTEST, entry=entry(name="\x1b[31m[bold]red[/]", author="a\nb"))
    store(tmp_path / "a" / "run", made, good_runs(made))
    done = run(tmp_path / "a")
    assert "\x1b" not in done.out and "[bold]red[/]" in done.out


def test_a_thousand_take_seconds(tmp_path: Path) -> None:
    """Measured by processor time of a hundred: the machine may be busy with other things."""
    for number in range(100):
        kept(tmp_path / "archive" / f"run-{number:03}", number, (2.5 + number / 1e4,))
    paths = find_runs([tmp_path / "archive"])
    rejudge(paths[:2], compare=True)  # loads what is loaded once
    begun = time.process_time()
    judged = rejudge(paths, compare=True, workers=1)
    spent = time.process_time() - begun
    assert all(each.verdict and each.kept and not each.changed for each in judged)
    assert spent < 4.0, "a thousand would take more than 20 s on two cores"


@pytest.mark.long
def test_an_interrupt_ends_all_of_it(tmp_path: Path) -> None:
    """Processes that judge leave a terminal's signal to the one that was asked."""
    for number in range(40):
        kept(tmp_path / "archive" / f"run-{number:03}", number)
    code = (
        "import os, sys, time; from harness.judge import rejudge as module\n"
        "from harness.cli.main import main\n"
        "inner = module.rejudge_one\n"
        "def slow(path, **options):\n"
        "    print('at work', flush=True); time.sleep(0.5)\n"
        "    return inner(path, **options)\n"
        "module.rejudge_one = slow\n"
        "sys.exit(main(['judge', sys.argv[1]]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "archive")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    assert process.stdout is not None
    while process.stdout.readline() != b"at work\n":
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
