"""A verification's directory: tries that count, and earlier verifications of the same entry."""

import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfrastructureError, UsageError
from harness.evidence.earlier import Earlier
from harness.evidence.places import EVIDENCE, PLAN, VERDICT
from harness.evidence.plan import Plan, PlanRef
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.stored import judge_stored
from tests.factories.broken import PLAN as MADE
from tests.factories.plans import CODE, entry, plan, required, strict_track
from tests.factories.results import failure, phase
from tests.factories.runs import good_runs, seed_run, verdict_of, with_first
from tests.factories.stored import store, write_model

FIRST = MADE.draws[0]
LOST = failure("infrastructure", "scoring")


def counted(runs: Path) -> int:
    return Earlier(runs).count(entry_digest=MADE.entry.digest, track_digest=MADE.track_digest)


def test_only_tries_that_could_have_been_a_record_count(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert counted(runs) == 0
    other = {"train.py": b"another"}
    for made, files, after in (
        (plan(), CODE, 1),
        (plan(), CODE, 2),
        (plan(seeds=(1, 2, 3), chosen_by_hand=True), CODE, 2),
        (plan(copies=PlanRef(directory="another", plan_sha256="a" * 64)), CODE, 2),
        (plan(entry=entry(other)), other, 2),
        (plan(track_digest="another"), CODE, 2),
    ):
        RunDirectory.create(runs, made, files=dict(files))
        assert counted(runs) == after
    (runs / "damaged").mkdir()
    (runs / "damaged" / PLAN).write_text("{")
    assert counted(runs) == 2


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "runs", MADE, files=CODE)
    assert directory.path.name == "20251121T120000-sample-strict"
    assert RunDirectory.open(directory.path).plan == MADE
    again = RunDirectory.create(tmp_path / "runs", MADE, files=CODE)
    assert again.path.name.endswith("-2")  # nothing is ever written over
    (run,) = good_runs(MADE)[:1]
    directory.begin_try(FIRST, 1)
    directory.write_run(run)
    assert directory.runs() == [run]
    assert (directory.entry / "train.py").read_bytes() == CODE["train.py"]


def test_a_try_is_begun_once(tmp_path: Path) -> None:
    directory = store(tmp_path / "run", MADE, [])
    assert directory.attempts(FIRST) == 0
    directory.begin_try(FIRST, 1)
    assert directory.attempts(FIRST) == 1
    assert directory.tries(FIRST) == []  # begun, and nothing is known of it
    with pytest.raises(InfrastructureError, match="begun this try"):
        directory.begin_try(FIRST, 1)
    with pytest.raises(InfrastructureError, match="are enough"):
        directory.begin_try(FIRST, 1001)


def test_only_numbers_that_a_harness_gives_are_tries(tmp_path: Path) -> None:
    directory = store(tmp_path / "run", MADE, [a_try(1, "lost"), a_try(4, "good")])
    (directory.draw_directory(FIRST) / "try-x").mkdir()
    assert [run.attempt for run in directory.tries(FIRST)] == [1, 4]
    (directory.draw_directory(FIRST) / "try-99999999999").mkdir()
    for asked in (directory.attempts, directory.tries):
        with pytest.raises(UsageError, match=r"try-99999999999: expected a try .* up to 1,000"):
            asked(FIRST)


def test_a_file_that_is_no_evidence_is_an_error_and_not_absent(tmp_path: Path) -> None:
    directory = store(tmp_path / "run", MADE, good_runs(MADE))
    place = directory.try_directory(FIRST, 1) / EVIDENCE
    place.unlink()
    place.mkdir()
    with pytest.raises(UsageError, match=f"{EVIDENCE}: cannot be read: not a regular file"):
        directory.runs()


@pytest.mark.parametrize("name", ["decisions", f"seed-{FIRST.seed}", f"seed-{FIRST.seed}/try-1"])
def test_what_cannot_be_looked_at_is_an_error_and_not_absent(tmp_path: Path, name: str) -> None:
    directory = store(tmp_path / "run", MADE, good_runs(MADE))
    place = directory.path / name
    if place.exists():
        shutil.rmtree(place)
    place.symlink_to(place)
    with pytest.raises(InfrastructureError, match=rf"{name}.*: cannot be looked at"):
        judge_stored(directory)


def test_more_decisions_than_anybody_makes_are_refused(tmp_path: Path) -> None:
    directory = store(tmp_path / "run", MADE, good_runs(MADE))
    (directory.path / "decisions").mkdir()
    for number in range(1001):
        (directory.path / "decisions" / f"{number}.json").touch()
    with pytest.raises(UsageError, match=r"decisions: found 1,001 decisions, expected at most"):
        directory.decisions()


def test_each_plan_is_read_once_and_what_others_begin_meanwhile_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, read = tmp_path / "runs", []
    real = RunDirectory.open

    def counting(path: Path) -> RunDirectory:
        read.append(path.name)
        return real(path)

    other = {"train.py": b"another"}
    for _ in range(5):
        RunDirectory.create(runs, plan(entry=entry(other)), files=dict(other))
    monkeypatch.setattr(RunDirectory, "open", counting)
    earlier = Earlier(runs)
    asked = {"entry_digest": MADE.entry.digest, "track_digest": MADE.track_digest}
    assert earlier.count(**asked) == 0
    assert len(read) == 5
    assert earlier.count(**asked) == 0
    assert len(read) == 5, "each plan once"
    begun = RunDirectory.create(runs, MADE, files=CODE)
    assert [each.path for each in earlier.open(**asked)] == [begun.path]
    assert earlier.count(**asked) == 1
    shutil.rmtree(begun.path)
    assert earlier.count(**asked) == 0
    assert earlier.last(**asked) is None


def test_a_plan_that_is_mended_is_seen(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    made = RunDirectory.create(runs, MADE, files=CODE)
    content = (made.path / PLAN).read_bytes()
    (made.path / PLAN).write_text("{")
    earlier = Earlier(runs)
    asked = {"entry_digest": MADE.entry.digest, "track_digest": MADE.track_digest}
    assert earlier.count(**asked) == 0
    (made.path / PLAN).write_bytes(content)
    assert earlier.count(**asked) == 1


@pytest.mark.parametrize(
    ("field", "value"), [("draw", 1), ("seed", 7), ("attempt", 2), ("role", "reproduction")]
)
def test_evidence_lies_where_it_says_or_is_refused(
    tmp_path: Path, field: str, value: object
) -> None:
    directory = store(tmp_path / "run", MADE, good_runs(MADE)[:1])
    place = directory.try_directory(FIRST, 1) / EVIDENCE
    (run,) = directory.tries(FIRST)
    changes = {field: value} | ({"steps": ()} if field == "role" else {})
    write_model(place, run.model_copy(update=changes))
    with pytest.raises(UsageError, match=f"{field}: expected"):
        directory.runs()


def test_a_directory_of_format_1_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "verification.json").write_text("{}")
    with pytest.raises(UsageError, match=r"evidence of format 1.*run the verification again"):
        RunDirectory.open(tmp_path)
    with pytest.raises(UsageError, match="not the directory of a verification"):
        RunDirectory.open(tmp_path / "nowhere")


def a_try(number: int, fate: str) -> Run:
    """One try of the first draw; ``fate``: cut off, lost by our side, at fault, or good."""
    fault = {"lost": LOST, "at fault": failure("submission", "training")}.get(fate)
    return seed_run(FIRST, failure=fault, attempt=number, ended=fate != "cut off")


@given(st.lists(st.sampled_from(["cut off", "lost", "at fault", "good"]), max_size=6))
def test_the_first_try_that_our_side_did_not_lose_counts(
    tmp_path_factory: pytest.TempPathFactory, fates: list[str]
) -> None:
    tries = [a_try(number, fate) for number, fate in enumerate(fates, start=1)]
    directory = store(tmp_path_factory.mktemp("run") / "run", MADE, tries)
    kept = [number for number, fate in enumerate(fates, start=1) if fate in ("at fault", "good")]
    lost = [number for number, fate in enumerate(fates, start=1) if fate == "lost"]
    expected = kept[:1] or lost[-1:]
    found = directory.counted(FIRST)
    assert ([found.attempt] if found else []) == expected
    assert [run.attempt for run in directory.runs()] == expected
    assert directory.attempts(FIRST) == len(fates)


def test_the_digest_of_the_evidence_is_of_what_counts(tmp_path: Path) -> None:
    directory = store(tmp_path / "run", MADE, good_runs(MADE))
    before = directory.evidence_digest()
    assert RunDirectory.open(directory.path).evidence_digest() == before
    write_verdict(directory)
    store_try(directory, a_try(2, "good"))  # a second one does not count
    assert directory.evidence_digest() == before
    write_model(directory.try_directory(FIRST, 1) / EVIDENCE, seed_run(FIRST, 2.5))
    assert directory.evidence_digest() != before
    other = store(tmp_path / "other", plan(nonce="another"), [])
    assert other.evidence_digest() != store(tmp_path / "third", MADE, []).evidence_digest()


def store_try(directory: RunDirectory, run: Run) -> None:
    directory.directory_of(run).mkdir(parents=True)
    write_model(directory.directory_of(run) / EVIDENCE, run)


def write_verdict(directory: RunDirectory) -> None:
    directory.write_verdict(verdict_of(directory.plan, directory.runs()))


def resumed(runs: Path, made: Plan = MADE) -> RunDirectory:
    return Earlier(runs).unfinished(entry_digest=made.entry.digest, track_digest=made.track_digest)


def test_what_is_resumed_is_the_latest_that_has_no_verdict_to_stand(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to resume"):
        resumed(tmp_path)
    store(tmp_path / "1", MADE, good_runs(MADE)[:1])
    done = store(tmp_path / "2", MADE, good_runs(MADE))
    assert resumed(tmp_path).path.name == "2"
    write_verdict(done)
    assert resumed(tmp_path).path.name == "1"
    ours = store(tmp_path / "3", MADE, with_first(MADE, failure=LOST))
    write_verdict(ours)  # inconclusive by our own fault: worth another try
    assert resumed(tmp_path).path.name == "3"
    theirs = store(tmp_path / "4", MADE, with_first(MADE, failure=failure("submission", "scoring")))
    write_verdict(theirs)
    assert resumed(tmp_path).path.name == "3"
    assert (theirs.path / VERDICT).is_file()
    with pytest.raises(UsageError, match="nothing to resume"):
        resumed(tmp_path, plan(strict_track(edition="another")))


def test_what_ended_inconclusive_is_open_and_goes_on(tmp_path: Path) -> None:
    """Else whoever brings an unknown about would be told to begin anew."""
    unclear = with_first(
        MADE, train=phase("train", harness_seconds_low=20, harness_seconds_high=21)
    )
    directory = store(tmp_path / "1", MADE, unclear)
    write_verdict(directory)
    assert "INCONCLUSIVE" in (directory.path / VERDICT).read_text()
    assert resumed(tmp_path).path.name == "1"
    by_hand = plan(seeds=(1, 2, 3), chosen_by_hand=True)
    done = store(tmp_path / "2", by_hand, good_runs(by_hand))
    write_verdict(done)  # inconclusive too, and nothing was drawn
    assert resumed(tmp_path).path.name == "1"
    (directory.path / VERDICT).write_text("{")  # a verdict that nobody can read is none
    assert resumed(tmp_path).path.name == "1"


def test_a_rehearsal_does_not_stand_before_what_could_be_a_record(tmp_path: Path) -> None:
    store(tmp_path / "1", MADE, [])
    store(tmp_path / "2", plan(required=required(isolation=())), [])
    assert resumed(tmp_path).path.name == "1"
    shutil.rmtree(tmp_path / "1")
    assert resumed(tmp_path).path.name == "2"


def test_whatever_came_of_it_an_earlier_draw_counts(tmp_path: Path) -> None:
    """A submission can bring an unknown about, and get itself interrupted."""
    begun = seed_run(FIRST, ended=False)
    unclear = with_first(MADE, failure=LOST)
    for number, runs in enumerate(([], [begun], unclear, good_runs(MADE)), start=1):
        directory = store(tmp_path / str(number), MADE, runs)
        if len(runs) > 1:
            write_verdict(directory)
        assert counted(tmp_path) == number


def test_two_harnesses_never_work_on_one_verification(tmp_path: Path) -> None:
    directory = store(tmp_path / "run", MADE, [])
    other = RunDirectory.open(directory.path)
    refused = pytest.raises(InfrastructureError, match="another harness is at work")
    with directory.lock(), refused, other.lock():
        pass
    with directory.hold(FIRST):
        with refused, other.hold(FIRST):
            pass
        with other.hold(MADE.draws[1]):
            pass


def test_a_thousand_of_them_are_made_and_counted_quickly(tmp_path: Path) -> None:
    started = time.monotonic()
    runs = good_runs(MADE)
    for number in range(1000):
        store(tmp_path / f"{number:04d}", MADE, runs)
    assert counted(tmp_path) == 1000
    assert time.monotonic() - started < 120  # some seconds on a quiet machine
