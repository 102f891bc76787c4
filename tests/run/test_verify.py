"""The main job from folder to verdict, through both sandboxes."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.conftest import SANDBOXES
from tests.factories.playground import (
    BIGRAM,
    ON_ANY_ENGINE,
    UNIFORM,
    WRITE,
    Outcome,
    harness,
    write_submission,
    write_track,
)

pytestmark = [pytest.mark.usefixtures("forked"), pytest.mark.parametrize("sandbox", SANDBOXES)]


class Bench:
    """Runs verifications of one test with its own track, runs directory and sandbox."""

    def __init__(self, tmp_path: Path, data_root: Path, sandbox: str) -> None:
        self.tmp_path, self.data_root, self.sandbox = tmp_path, data_root, sandbox
        self.track = write_track(tmp_path / "track.toml", seeds="2")

    def verify(self, submission: Path, *arguments: str | Path) -> Outcome:
        options = ["--track", self.track, "--sandbox", self.sandbox, "--data", self.data_root]
        options += ["--runs", self.tmp_path / "runs", "--json", "-"]
        return harness("verify", submission, *options, *arguments)

    def play(self, **sources: str) -> Outcome:
        return self.verify(write_submission(self.tmp_path / "toy", **sources))


@pytest.fixture
def bench(tmp_path: Path, data_root: Path, sandbox: str) -> Bench:
    return Bench(tmp_path, data_root, sandbox)


def test_an_honest_submission_passes_and_leaves_its_evidence(
    bench: Bench, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a text of 27 kB, what may pass between sandboxes is worth a whole BPB.
    monkeypatch.setattr("harness.judge.rules.doubts.RESIDUAL_BITS", 100)
    bench.track = write_track(bench.tmp_path / "track.toml", rehearsal=ON_ANY_ENGINE, seeds="2")
    done = bench.verify(BIGRAM)
    verdict = done.verdict
    assert verdict["verdict"] == ("VERIFIED" if sandbox == "docker" else "REHEARSED"), done.err
    assert done.code == 0
    assert done.status("isolation") == ("pass" if sandbox == "docker" else "unknown")
    assert {c["status"] for c in verdict["checks"] if c["id"] != "isolation"} == {"pass"}
    assert verdict["statistics"]["p"] < 0.01
    assert "rehearsal: not isolated" in done.err or sandbox == "docker"

    directory = Path(verdict["evidence"])
    assert json.loads((directory / "verdict.json").read_text()) == verdict
    assert "VERIFIED" in (directory / "scorecard.txt").read_text() or sandbox == "process"
    assert len(verdict["seeds"]) == 2
    for seed in verdict["seeds"]:
        artifact = Path(seed["artifact"])
        assert artifact.stat().st_size == seed["artifact_bytes"]
        assert hashlib.sha256(artifact.read_bytes()).hexdigest() == seed["artifact_sha256"]
        assert seed["code_bytes"] == sum(
            (BIGRAM / name).stat().st_size for name in ("bigram.py", "submission.toml")
        )
        assert 2.0 < seed["val_bpb"] < 3.0

    judged = harness("judge", directory, "--json", "-")
    assert judged.verdict == verdict
    again = harness(
        "rescore", directory, "--sandbox", sandbox, "--data", bench.data_root, "--json", "-"
    )
    assert again.verdict["verdict"] == verdict["verdict"]
    assert again.verdict["rescored_from"] == directory.name
    assert [s["val_bpb"] for s in again.verdict["seeds"]] == [
        s["val_bpb"] for s in verdict["seeds"]
    ]


def leaving(action: str) -> str:
    """A train script that does something to ``path``, where its artifact belongs."""
    return f"import os; path = os.environ['OUTPUT_DIR'] + '/model.bin'; {action}"


def artifact_of(size: int) -> str:
    return leaving(f"open(path, 'wb').truncate({size})")


@pytest.mark.parametrize(
    ("train", "check", "reason"),
    [
        ("print('about to fail'); raise SystemExit(1)", "training", "about to fail"),
        ("import os; os._exit(137)", "training", "exit code 137"),
        ("pass", "artifact", "model.bin"),
        (artifact_of(0), "artifact", "empty"),
        (leaving("os.symlink('/etc/passwd', path)"), "artifact", "symbolic link"),
        (leaving("os.mkdir(path)"), "artifact", "directory"),
        (leaving("os.mkfifo(path)"), "artifact", "FIFO"),
        (artifact_of(1 << 40), "artifact", "over the limit"),
    ],
)
def test_training_that_leaves_no_artifact_is_rejected(
    bench: Bench, train: str, check: str, reason: str
) -> None:
    done = bench.play(train=train)
    assert done.code == 1, done.err
    assert done.verdict["verdict"] == "REJECTED"
    assert done.failed == [check]
    assert reason in done.verdict["reason"]
    assert len(done.verdict["seeds"]) == 1  # the second seed could not save it


def test_the_cap_is_exact(bench: Bench) -> None:
    # Weighed before it is scored: what comes of that is of no interest here.
    broken = "def load_model(artifact, device):\n    raise RuntimeError('broken')"
    folder = write_submission(bench.tmp_path / "toy", model=broken)
    manifest = (folder / "submission.toml").read_text()

    def code_bytes() -> int:
        return sum((folder / n).stat().st_size for n in ("submission.toml", "train.py", "model.py"))

    # The size of the script depends on the digits of the size: eight of them near the cap.
    write_submission(folder, train=artifact_of(15_000_000), model=broken, manifest=manifest)
    exact = 16_000_000 - code_bytes()
    write_submission(folder, train=artifact_of(exact), model=broken)
    fits = bench.verify(folder, "--seeds", "1")
    assert fits.status("bytes") == "pass"
    assert fits.failed == ["scoring"]
    write_submission(folder, train=artifact_of(exact + 1), model=broken)
    over = bench.verify(folder, "--seeds", "1")
    assert over.failed == ["bytes", "scoring"]
    assert "1 bytes over the cap" in over.verdict["reason"]


def test_training_that_never_ends_is_killed_at_the_limit(bench: Bench) -> None:
    bench.track = write_track(bench.tmp_path / "track.toml", train_seconds=2)
    done = bench.play(
        train=f"{WRITE}\nimport time, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while True: time.sleep(1)"
    )
    assert done.code == 1
    assert done.failed == ["train_wallclock"]
    assert done.verdict["seeds"][0]["train_seconds"] >= 2
    assert done.verdict["seeds"][0]["artifact"] is None  # a late artifact does not exist


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            "def load_model(artifact, device):\n    raise RuntimeError('broken loader')",
            "load_model raised",
        ),
        ("def load_model(artifact, device):\n    return 'rubbish'", "raised an exception"),
        (UNIFORM.replace("1024)", "1024) * float('nan')"), "NaN"),
        (UNIFORM.replace("1024)", "1023)"), "wrong shape"),
        ("import os\ndef load_model(artifact, device):\n    os._exit(7)", "exit code 7"),
    ],
)
def test_a_model_that_answers_wrongly_is_rejected(bench: Bench, model: str, reason: str) -> None:
    done = bench.play(model=model)
    assert done.code == 1, done.err
    assert done.failed == ["scoring"]
    assert reason in done.verdict["reason"]


@pytest.mark.long
def test_a_model_that_hangs_is_killed_at_the_limit(bench: Bench) -> None:
    bench.track = write_track(bench.tmp_path / "track.toml", score_seconds="8")
    hang = "import time\ndef load_model(artifact, device):\n    time.sleep(600)"
    done = bench.play(model=hang)
    assert done.code == 1
    assert done.failed == ["score_wallclock"]


def test_training_sees_its_contract_and_nothing_else(bench: Bench, sandbox: str) -> None:
    done = bench.play(
        train="""
        import json, os, pathlib
        names = sorted(os.environ)
        shards = sorted(os.listdir(os.environ["DATA_PATH"]))
        code = sorted(p for p in os.listdir(".") if p != "__pycache__")
        print(json.dumps([names, shards, code, os.environ["WALLCLOCK_STARTED_AT"]]))
        assert os.path.isfile(os.environ["TOKENIZER_PATH"])
        raise SystemExit(1)  # no more is wanted of it
        """
    )
    assert done.failed == ["training"]
    log = next(Path(done.verdict["evidence"]).glob("seed-*/try-*/train.log")).read_text()
    names, shards, code, started = json.loads(log.strip().partition(" ")[2])
    assert {"SEED", "DATA_PATH", "TOKENIZER_PATH", "VOCAB_SIZE", "OUTPUT_DIR", "RUN_ID"} < set(
        names
    )
    assert {"MAX_WALLCLOCK_SECONDS", "WALLCLOCK_STARTED_AT"} < set(names)
    assert all(name.startswith("fineweb_train_") for name in shards)
    assert code == ["model.py", "submission.toml", "train.py"]
    assert float(log.split()[0]) < 1e6  # seconds since the start, not since 1970
    assert float(started) > 1.7e9


@pytest.mark.long
def test_seeds_may_be_given_by_hand_and_the_evidence_may_lie_under_a_relative_path(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.tmp_path)
    done = bench.verify(BIGRAM, "--runs", "here", "--seeds", "1,2")
    assert done.status("scoring") == done.status("causality") == "pass", done.err
    assert Path(done.verdict["evidence"]).parent == Path("here")
    assert [seed["seed"] for seed in done.verdict["seeds"]] == [1, 2]
    assert not done.verdict["seeds_drawn"]
    assert done.status("seeds") == "unknown"
    assert "by hand" in done.err
    assert done.verdict["verdict"] == "REHEARSED"
