"""Looks and confirmation for real: what is run, where it stops, and what another host can do."""

import shutil
from pathlib import Path

import pytest

from harness.contest.track import load_track
from harness.errors import InfrastructureError
from harness.evidence.plan import Plan
from harness.evidence.store import RunDirectory
from harness.run.workbench import host_name
from tests.conftest import SANDBOXES
from tests.factories.playground import (
    BIGRAM,
    ON_ANY_ENGINE,
    Outcome,
    harness,
    write_submission,
    write_track,
)

pytestmark = pytest.mark.usefixtures("forked")
LOOKS = """\
test = "moderated"
field_sd_bpb = 0.05
field_degrees = 4
source = "three seeds of the control"
looks = [
  { runs = 1, hopeless_above_sd = 3 },
  { runs = 2, accept_below = 0.005, hopeless_above_sd = 1 },
  { runs = 4, accept_below = 0.005 },
]
confirmation = 2
"""


class Bench:
    """Verifications on a small track with looks."""

    def __init__(self, place: Path, data_root: Path, sandbox: str) -> None:
        self.runs, self.sandbox, self.data = place / "runs", sandbox, data_root
        self.track = write_track(place / "track.toml", rehearsal=ON_ANY_ENGINE)
        self.track.write_text(self.track.read_text().replace("seeds = 3\n", LOOKS))

    def verify(self, submission: Path, *arguments: str) -> Outcome:
        options = ["--track", self.track, "--sandbox", self.sandbox, "--runs", self.runs]
        return self._run("verify", submission, *options, *arguments)

    def confirm(self, directory: Path) -> Outcome:
        return self._run("confirm", directory)

    def _run(self, *arguments: object) -> Outcome:
        return harness(*arguments, "--data", self.data, "--json", "-")


@pytest.fixture
def sandbox() -> str:
    """Where most tests run; what Docker adds is for the first one."""
    return "process"


@pytest.fixture
def bench(tmp_path: Path, data_root: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    # On a text of 27 kB, what may pass between sandboxes is worth a whole BPB; and two seeds of the
    # control differ by less than a tenth of what is said of its field.
    monkeypatch.setattr("harness.judge.rules.doubts.RESIDUAL_BITS", 100)
    monkeypatch.setattr("harness.judge.rules.seed_spread.SMALLEST_SHARE", 1e-6)
    return Bench(tmp_path, data_root, sandbox)


def purposes(done: Outcome) -> list[str]:
    return [seed["purpose"] for seed in done.verdict["seeds"]]


@pytest.mark.long
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_what_is_accepted_is_confirmed_elsewhere_from_the_directory_alone(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolated = bench.sandbox == "docker"
    monkeypatch.setenv("HARNESS_NODE", "first")
    done = bench.verify(BIGRAM)
    assert purposes(done) == ["look", "look"], done.err
    assert "nothing more is run: significance: after 2 of 4 seeds" in done.err
    assert done.verdict["verdict"] == ("INCONCLUSIVE" if isolated else "REHEARSED")
    assert done.status("confirmation") == "unknown"
    assert done.status("seeds") == done.status("significance") == "pass"

    monkeypatch.setenv("HARNESS_NODE", "second")
    elsewhere = tmp_path / "elsewhere" / "run"
    shutil.copytree(done.verdict["evidence"], elsewhere)
    shutil.rmtree(bench.runs)
    confirmed = bench.confirm(elsewhere)
    assert purposes(confirmed) == ["look", "look", "confirmation", "confirmation"], confirmed.err
    assert confirmed.verdict["verdict"] == ("VERIFIED" if isolated else "REHEARSED")
    assert confirmed.status("confirmation") == "pass"
    (detail,) = [c["detail"] for c in confirmed.verdict["checks"] if c["id"] == "confirmation"]
    assert "on another host (second)" in detail
    fresh = [seed["val_bpb"] for seed in confirmed.verdict["seeds"][2:]]
    assert confirmed.verdict["confirmation"]["mean_bpb"] == pytest.approx(sum(fresh) / 2)
    looks, before = confirmed.verdict["statistics"], done.verdict["statistics"]
    assert looks == before  # nothing that comes later changes what the looks have seen
    assert harness("judge", elsewhere, "--json", "-").verdict == confirmed.verdict

    if isolated:
        return
    again = bench.confirm(elsewhere)  # nothing is left to run
    assert again.verdict == confirmed.verdict
    assert not list(elsewhere.glob("seed-*/try-2"))
    copied = bench._run("rescore", elsewhere, "--sandbox", bench.sandbox)
    assert [s["val_bpb"] for s in copied.verdict["seeds"]] == [
        s["val_bpb"] for s in confirmed.verdict["seeds"]
    ], copied.err
    assert copied.verdict["verdict"] == confirmed.verdict["verdict"]
    refused = bench.confirm(Path(copied.verdict["evidence"]))
    assert refused.code == 2 and "confirm run, and rescore it again" in refused.err


@pytest.mark.long
def test_whoever_asks_again_is_told_to_confirm_what_was_accepted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to resume: that would run nothing, and the verdict would stay open."""
    monkeypatch.setattr(Plan, "rehearses_on", lambda plan, track: False)
    done = bench.verify(BIGRAM)
    assert purposes(done) == ["look", "look"], done.err
    refused = bench.verify(BIGRAM)
    assert refused.code == 2 and "--resume" not in refused.err
    (command,) = [line for line in refused.err.splitlines() if "remedy: " in line]
    words = command.partition("remedy: ")[2].partition(";")[0].split()
    assert words[:2] == ["harness", "confirm"]
    confirmed = harness(*words[1:], "--json", "-")
    assert purposes(confirmed)[2:] == ["confirmation"] * 2, confirmed.err


def test_what_is_hopeless_after_one_run_ends_there(bench: Bench, tmp_path: Path) -> None:
    done = bench.verify(write_submission(tmp_path / "toy"))  # a uniform model
    assert (done.code, done.verdict["verdict"]) == (1, "REJECTED"), done.err
    assert purposes(done) == ["look"]
    assert done.verdict["reason"].startswith("significance: stopped after 1 of 4: ")
    place = Path(done.verdict["evidence"])
    assert len(RunDirectory.open(place).plan.draws) == 6
    refused = bench.confirm(place)
    assert refused.code == 2 and "nothing to confirm: stopped after 1 of 4" in refused.err
    rescored = bench._run("rescore", place, "--sandbox", bench.sandbox)
    assert purposes(rescored) == ["look"], rescored.err
    assert rescored.verdict["reason"] == done.verdict["reason"]


@pytest.mark.long
def test_seeds_by_hand_have_nothing_to_confirm(bench: Bench) -> None:
    done = bench.verify(BIGRAM, "--seeds", "1,2")
    assert purposes(done) == ["look", "look"] and done.status("seeds") == "unknown"
    assert done.verdict["statistics"]["looks"][1]["outcome"] == "accepted"
    refused = bench.confirm(Path(done.verdict["evidence"]))
    assert refused.code == 2 and "its plan drew no seeds that confirm" in refused.err


def test_the_track_is_one(bench: Bench) -> None:
    track = load_track(str(bench.track))
    assert (track.significance.fewest_runs, track.significance.most_runs) == (2, 4)


@pytest.mark.parametrize("name", ["x" * 201, "two\nlines", "\x1b[2J"])
def test_a_node_has_a_name_that_can_be_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_NODE", name)
    with pytest.raises(InfrastructureError, match="HARNESS_NODE: expected a printable name"):
        host_name()
    monkeypatch.delenv("HARNESS_NODE")
    assert host_name() == ""
