"""Runs that are lost or cut off, at every point: what begins anew, and what is used up."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfrastructureError
from harness.evidence.attempts import Attempts
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.evidence.step_names import StepName
from harness.evidence.store import RunDirectory
from harness.run.seed_run import _Kept
from harness.run.steps import DO
from harness.run.workbench import Workbench
from harness.sandbox.process.sandbox import ProcessSandbox
from tests.factories.playground import (
    ON_ANY_ENGINE,
    ROOT,
    Outcome,
    harness,
    write_submission,
    write_track,
)

pytestmark = pytest.mark.usefixtures("forked")


class Killed(BaseException):
    """As if the machine died: nothing in the harness catches it, so nothing more is written."""


class Bench:
    """Verifications of one toy on a track of two seeds, all under one directory of runs."""

    def __init__(self, place: Path, data_root: Path) -> None:
        self.toy = write_submission(place / "toy")  # scores as a uniform model, in seconds
        self.track = write_track(place / "track.toml", seeds="2", rehearsal="false")
        self.runs = place / "runs"
        self._options = ["--track", self.track, "--sandbox", "process", "--data", data_root]

    def verify(self, *arguments: str) -> Outcome:
        options = [*self._options, "--runs", self.runs, "--json", "-"]
        return harness("verify", self.toy, *options, *arguments)

    @property
    def directory(self) -> RunDirectory:
        (path,) = self.runs.iterdir()
        return RunDirectory.open(path)

    def tries(self) -> list[Run]:
        """Those of the first draw."""
        return self.directory.tries(self.directory.plan.draws[0])


@pytest.fixture
def bench(tmp_path: Path, data_root: Path) -> Bench:
    return Bench(tmp_path, data_root)


@pytest.fixture
def binding(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs as a process counts as if it were isolated: Docker takes its time."""
    monkeypatch.setattr(Plan, "rehearsal", False)


def dying(patch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool = False) -> None:
    """Die when a method is called, or when it has done its work."""
    real = getattr(owner, name)

    def die(*arguments: Any, **named: Any) -> Any:
        if after:
            real(*arguments, **named)
        raise Killed

    patch.setattr(owner, name, die)


def losing(
    patch: pytest.MonkeyPatch, step: StepName, *, kind: type[BaseException] = InfrastructureError
) -> None:
    def lose(*arguments: Any) -> Any:
        raise kind("the node went away")

    patch.setitem(DO, step, lose)


KILLS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], bool, bool]] = {
    # how, whether it had begun, whether it had a score
    "before its directory": (lambda p: dying(p, RunDirectory, "begin_try"), False, False),
    "in an empty directory": (lambda p: dying(p, RunDirectory, "write_run"), False, False),
    "before the sandbox": (lambda p: dying(p, Workbench, "announce"), False, False),
    "while the sandbox is made": (
        lambda p: dying(p, ProcessSandbox, "_make_folders"),
        False,
        False,
    ),
    "when its start is written": (
        lambda p: dying(p, _Kept, "code_starts", after=True),
        True,
        False,
    ),
    "in training": (
        lambda p: dying(p, sys.modules["harness.run.steps.train"], "_wait"),
        True,
        False,
    ),
    "before scoring": (lambda p: losing(p, "score", kind=Killed), True, False),
    "after its score": (lambda p: losing(p, "probe", kind=Killed), True, True),
}


@pytest.mark.parametrize("point", KILLS)
def test_a_kill_leaves_what_had_begun(
    bench: Bench, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill, begun, scored = KILLS[point]
    with monkeypatch.context() as patch:
        kill(patch)
        with pytest.raises(Killed):
            bench.verify()
    tries = bench.tries()
    assert any(run.had_begun for run in tries) is begun
    assert any(run.scores is not None for run in tries) is scored
    assert all(run.lost for run in tries)
    assert not Attempts(tries).used_up  # a machine that dies once is no new ticket, and no end


def test_a_start_is_written_before_any_code_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not after, and not while: else a kill in between would make it one that had not begun."""
    ran = tmp_path / "ran"
    write_submission(bench.toy, train=f"open({str(ran)!r}, 'w'); raise SystemExit(1)")
    seen = []
    real = _Kept.code_starts

    def watched(self: _Kept, step: Any) -> None:
        assert not ran.exists()
        real(self, step)
        (path,) = bench.runs.glob("*/seed-*/try-1/evidence.json")
        seen.append((step.name, json.loads(path.read_bytes())["began"], ran.exists()))

    monkeypatch.setattr(_Kept, "code_starts", watched)
    assert bench.verify().code == 1
    assert seen == [("train", "train", False)]
    assert ran.exists()


@pytest.mark.usefixtures("binding")
@pytest.mark.parametrize("step", ["score", "probe"])
def test_a_run_that_had_begun_is_repeated_once(
    bench: Bench, step: StepName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No look goes by the score of a try that is lost, though it counts with the next one's."""
    code = 3
    with monkeypatch.context() as patch:
        losing(patch, step)
        assert bench.verify().code == code
        before = bench.directory.plan
        assert bench.verify("--resume").code == code
        # Each draw was lost twice now, and no third time is tried.
        third = bench.verify("--resume")
    assert third.code == code
    assert "trained 2 times, each time lost by our side" in third.err
    assert third.status("seeds") == "unknown"
    assert bench.directory.plan == before
    once_more = bench.verify("--resume")  # nor when all would be well again
    assert once_more.code == code
    first = bench.directory.plan.draws[0]
    assert [run.attempt for run in bench.tries()] == [1, 2]
    done = harness("seed", bench.directory.path, first.seed, "--data", "nowhere")
    assert done.code == 2
    assert f"seed {first.seed}: trained 2 times" in done.err
    # Nor is it made whole by scoring again what was sealed in the try that was lost.
    again = harness("rescore", bench.directory.path, "--sandbox", "process", "--data", "nowhere")
    assert again.code == 2 and "found 0 seed runs" in again.err


@pytest.mark.usefixtures("binding")
def test_two_kills_in_training_use_a_draw_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in ((), ("--resume",)):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            KILLS["in training"][0](patch)
            bench.verify(*arguments)
    done = bench.verify("--resume")
    assert done.code == 3
    assert "given up" in next(c["detail"] for c in done.verdict["checks"] if c["id"] == "seeds")
    assert len(bench.tries()) == 2


@pytest.mark.long
@pytest.mark.usefixtures("binding")
def test_what_was_lost_before_it_began_is_repeated_without_limit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def broken(self: ProcessSandbox, *arguments: Any) -> None:
            raise InfrastructureError("no engine", remedy="start it")

        patch.setattr(ProcessSandbox, "_make_folders", broken)
        assert bench.verify().code == 3
        for _ in range(3):
            assert bench.verify("--resume").code == 3
    assert [run.had_begun for run in bench.tries()] == [False] * 4
    done = bench.verify("--resume")
    assert done.code == 1, done.err  # a uniform model, but judged in full
    assert [seed["attempt"] for seed in done.verdict["seeds"]] == [5, 5]


@pytest.mark.long
def test_two_scored_tries_count_as_their_mean_when_scored_again_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, data_root: Path
) -> None:
    with monkeypatch.context() as patch:
        losing(patch, "probe")
        bench.verify()
    options = ("--sandbox", "process", "--data", data_root)
    early = harness("rescore", bench.directory.path, *options)
    assert early.code == 2 and "found 0 seed runs; finish it with --resume" in early.err
    done = bench.verify("--resume")
    assert done.code == 1
    for seed in done.verdict["seeds"]:
        assert (seed["attempt"], len(seed["beside_bpb"])) == (2, 1)
    assert any(note["id"] == "mean_of_tries" for note in done.verdict["findings"])
    again = harness(
        *("rescore", bench.directory.path, "--sandbox", "process", "--data", data_root),
        *("--json", "-"),
    )
    assert [seed["beside_bpb"] for seed in again.verdict["seeds"]] == [
        seed["beside_bpb"] for seed in done.verdict["seeds"]
    ]
    assert again.verdict["statistics"]["mean_bpb"] == done.verdict["statistics"]["mean_bpb"]


@pytest.mark.long
@pytest.mark.usefixtures("binding")
def test_a_new_draw_is_not_to_be_had_by_asking_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        losing(patch, "score")
        assert bench.verify().verdict["verdict"] == "INCONCLUSIVE"
    open_one = bench.directory
    refused = bench.verify()
    assert refused.code == 2
    assert open_one.path.name in refused.err and "used up, never replaced" in refused.err
    assert len(list(bench.runs.iterdir())) == 1
    (command,) = [line for line in refused.err.splitlines() if "remedy: " in line]
    words = command.partition("remedy: ")[2].partition(";")[0].split()
    assert words[:2] == ["harness", "verify"] and "--new-draw" in command
    # The referee may ask for one all the same, and everybody is told.
    anew = bench.verify("--new-draw")
    assert anew.code == 1
    (note,) = [n for n in anew.verdict["findings"] if n["id"] == "new_draw"]
    assert open_one.path.name in note["detail"]
    plan = json.loads((Path(anew.verdict["evidence"]) / "plan.json").read_bytes())
    assert plan["tries"] == {"earlier": 1, "by_author": 0, "passed_over": [open_one.path.name]}
    assert bench.verify().code == 2  # the old one is open still
    # The command that was named finishes the old one, with its own seeds.
    finished = harness(*words[1:], "--json", "-")
    assert finished.code == 1, finished.err
    assert [s["seed"] for s in finished.verdict["seeds"]] == list(open_one.plan.seeds)
    assert bench.verify().code == 1  # nothing is open any more
    assert "--new-draw" in bench.verify("--resume", "--new-draw").err


@pytest.mark.long
@pytest.mark.usefixtures("binding")
def test_one_that_was_cut_off_is_open_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        KILLS["before the sandbox"][0](patch)
        bench.verify()
    assert bench.verify().code == 2
    assert bench.verify("--seeds", "1,2").code == 1  # chosen by hand: no draw, and never a record
    assert bench.verify().code == 2
    assert bench.verify("--resume").code == 1


@pytest.mark.long
@pytest.mark.usefixtures("binding")
def test_what_cannot_be_read_may_be_open_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever damages a plan, or comes with a harness that cannot read it, draws anew."""
    with monkeypatch.context() as patch:
        losing(patch, "score")
        assert bench.verify().verdict["verdict"] == "INCONCLUSIVE"
    (plan,) = bench.runs.glob("*/plan.json")
    plan.write_bytes(plan.read_bytes() + b" x")
    refused = bench.verify()
    assert refused.code == 2
    assert "may be an open verification of this very submission" in refused.err
    assert str(plan) in refused.err and "--new-draw" in refused.err
    assert len(list(bench.runs.iterdir())) == 1
    anew = bench.verify("--new-draw")
    (note,) = [n for n in anew.verdict["findings"] if n["id"] == "new_draw"]
    assert plan.parent.name in note["detail"]


def test_at_home_a_new_draw_is_fine_and_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is not isolated can be a record, so nobody is kept from trying again."""
    with monkeypatch.context() as patch:
        losing(patch, "score")
        for earlier in range(2):
            done = bench.verify()
            assert done.code == 3
            plan = json.loads((Path(done.verdict["evidence"]) / "plan.json").read_bytes())
            assert plan["tries"] == {"earlier": earlier, "by_author": 0}
        for _ in range(2):
            assert bench.verify("--resume").code == 3
    assert bench.verify("--resume").code == 1


@pytest.mark.docker
def test_a_harness_killed_twice_in_training_has_used_its_draw_up(
    tmp_path: Path, data_root: Path
) -> None:
    """The real thing: SIGKILL, in a container, on a track that is no rehearsal."""
    toy = write_submission(tmp_path / "toy", train="import time; time.sleep(600)")
    track = write_track(tmp_path / "t.toml", train_seconds=900, seeds="2", rehearsal=ON_ANY_ENGINE)
    arguments = ["verify", toy, "--track", track, "--data", data_root, "--sandbox", "docker"]
    arguments += ["--runs", tmp_path / "runs"]
    for attempt in (1, 2):
        resume = ["--resume"] if attempt > 1 else []
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *map(str, [*arguments, *resume])],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not _begun(tmp_path, attempt):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = harness(*arguments, "--resume", "--json", "-")
    assert done.code == 3, done.err
    assert "trained 2 times, each time lost by our side" in done.err
    assert done.verdict["verdict"] == "INCONCLUSIVE"
    assert not list(tmp_path.glob("runs/*/seed-*/try-3"))
    assert harness(*arguments).code == 2


def _begun(place: Path, attempt: int) -> bool:
    paths = place.glob(f"runs/*/seed-*/try-{attempt}/evidence.json")
    return any("began" in json.loads(path.read_bytes()) for path in paths)
