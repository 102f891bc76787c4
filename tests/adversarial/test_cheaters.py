"""The rogues' gallery: what becomes of every cheater, and that no check can be done without.

``make cheaters`` runs all of them in Docker. Here the process sandbox runs those that make sense
without isolation, and Docker one for each of its own mechanisms.
"""

import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.contest.track import load_track
from harness.evidence.results import ArtifactFacts
from harness.sandbox.process.phase import ProcessPhase
from harness.sandbox.sealing import copy_hashed
from tests.adversarial.gallery import (
    CHECKS,
    SEED,
    SHELVES,
    Cheater,
    Twin,
    cheaters,
    honest,
    readme,
    run,
    verify,
)
from tests.factories.broken import switched_off
from tests.factories.playground import BIGRAM, ROOT, Outcome, harness, write_track
from tests.upstream_entries import entries as upstream

pytestmark = pytest.mark.usefixtures("forked")
ALL = cheaters()
IN_DOCKER = {
    "artifact/symlink",  # sealed through the engine's archive
    "causality/left_answers",  # what is shared is in one state
    "ineffective/detached_child",  # the end of a container is the end of all
    "ineffective/left_behind",  # nothing is shared between phases
    "ineffective/left_names",
    "ineffective/left_pages",
    "ineffective/network",
    "scoring/bomb",  # killed for its memory
    "tokenizer/remembers",  # nor between those of a tokenizer
    "train_wallclock/late_quantiser",
}


@pytest.fixture(scope="module")
def control(
    tmp_path_factory: pytest.TempPathFactory, data_root: Path, forked: None
) -> Callable[[Twin], Outcome]:
    """Each honest control, with the one seed that most cheaters are run with."""

    @functools.cache
    def of(twin: Twin) -> Outcome:
        place = tmp_path_factory.mktemp("control")
        return verify(honest(twin, place), place, data_root, "process", seeds=SEED)

    return of


_TRIED = [c for c in ALL if c.card.suite and "process" in c.card.sandboxes]
# One of each shelf is tried always: all of them take minutes.
_ALWAYS = {c.shelf: c.name for c in reversed(_TRIED) if not c.card.long}


@pytest.mark.parametrize(
    "cheater",
    [
        pytest.param(c, id=c.name, marks=[] if c.name in _ALWAYS.values() else [pytest.mark.long])
        for c in _TRIED
    ],
)
def test_every_cheater_comes_to_what_its_shelf_says(
    cheater: Cheater, tmp_path: Path, data_root: Path, control: Callable[[Twin], Outcome]
) -> None:
    compared = control(cheater.card.twin) if cheater.shelf not in CHECKS else None
    result = run(cheater, tmp_path, data_root, "process", compared)
    assert not result.problems
    if cheater.shelf not in CHECKS:
        return
    # Without that check the cheater would get through, or as far as it has come.
    with switched_off(cheater.shelf, *cheater.card.also):
        judged = harness("judge", result.outcome.verdict["evidence"], "--json", "-")
    assert not judged.failed
    tested = judged.verdict["statistics"]["case"] == "tested"
    assert judged.verdict["verdict"] == ("REHEARSED" if tested else "INCONCLUSIVE")


@pytest.mark.docker
@pytest.mark.timeout(1200)
def test_what_only_isolation_stops(tmp_path: Path, data_root: Path) -> None:
    place = tmp_path / "control"
    honest = verify(BIGRAM, place, data_root, "docker", seeds=SEED)
    assert not honest.failed, honest.err
    assert honest.status("isolation") == "pass"
    chosen = [cheater for cheater in ALL if cheater.name in IN_DOCKER]
    assert len(chosen) == len(IN_DOCKER)
    wrong = {}
    for number, cheater in enumerate(chosen):
        result = run(cheater, tmp_path / str(number), data_root, "docker", honest)
        if result.problems:
            wrong[cheater.name] = result.problems
    assert not wrong


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data_root: Path, forked: None) -> Outcome:
    """An honest verification, to be judged under rules that it breaks."""
    return verify(BIGRAM, tmp_path_factory.mktemp("honest"), data_root, "process", seeds="auto")


def test_the_honest_control_passes_everything(finished: Outcome) -> None:
    left = {c["id"] for c in finished.verdict["checks"] if c["status"] != "pass"}
    assert left == {"isolation"}
    assert finished.verdict["verdict"] == "REHEARSED"
    assert finished.verdict["findings"] == []


@pytest.mark.long
@pytest.mark.parametrize("twin", ["documents", "studies"])
def test_an_honest_twin_that_is_scored_by_document_passes_everything(
    twin: Twin, tmp_path: Path, data_root: Path
) -> None:
    done = verify(honest(twin, tmp_path), tmp_path, data_root, "process", seeds="auto")
    left = {c["id"] for c in done.verdict["checks"] if c["status"] != "pass"}
    assert left == {"isolation"}
    assert done.verdict["verdict"] == "REHEARSED"


def test_a_second_try_is_counted(tmp_path: Path, data_root: Path) -> None:
    (crash,) = [cheater for cheater in ALL if cheater.name == "training/crash"]
    folder = crash.assemble(tmp_path)
    for earlier in (0, 1):
        done = verify(folder, tmp_path, data_root, "process", seeds="auto")
        plan = json.loads((Path(done.verdict["evidence"]) / "plan.json").read_text())
        assert plan["tries"]["earlier"] == earlier


@pytest.mark.parametrize(
    ("check", "line"),
    [
        ("bytes", {"bytes": "900_000"}),
        ("train_wallclock", {"train_seconds": "0.001"}),
        ("score_wallclock", {"score_seconds": "0.001"}),
        ("significance", {"margin_nats_per_token": "3.0"}),
    ],
)
def test_a_budget_alone_stands_between_this_run_and_success(
    check: str, line: dict[str, str], finished: Outcome, tmp_path: Path
) -> None:
    track = write_track(tmp_path / "track.toml", **{"seeds": "2", **line})
    arguments = ("judge", finished.verdict["evidence"], "--track", track, "--json", "-")
    judged = harness(*arguments)
    assert (judged.verdict["verdict"], judged.failed) == ("REJECTED", [check])
    with switched_off(check):
        assert harness(*arguments).verdict["verdict"] == "REHEARSED"


@pytest.mark.long
def test_what_sorts_its_shards_scatters_all_the_same(tmp_path: Path, data_root: Path) -> None:
    """It fixes all that it can. Where nothing is imposed, that is everything."""
    (cheater,) = [cheater for cheater in ALL if cheater.name == "ineffective/sorted_shards"]
    folder = cheater.assemble(tmp_path)
    done = verify(folder, tmp_path, data_root, "process", seeds="auto")
    assert done.status("seeds") == done.status("seed_spread") == "pass", done.err
    rules = write_track(tmp_path / "plain.toml", seeds="2", imposed=False)
    options = ["--sandbox", "process", "--data", data_root, "--runs", tmp_path / "plain"]
    plain = harness("verify", folder, "--track", rules, *options, "--json", "-")
    one, other = plain.verdict["seeds"]
    assert one["artifact_sha256"] == other["artifact_sha256"]
    assert plain.status("seed_spread") == "unknown"


@pytest.mark.long
def test_a_naive_seal_would_take_the_link(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def naive(phase: ProcessPhase, name: str, destination: Path, **_: object) -> ArtifactFacts:
        content = (Path(phase._folders[2] or "") / name).read_bytes()
        return copy_hashed([content], destination, name=name, size_bytes=len(content))

    (cheater,) = [cheater for cheater in ALL if cheater.name == "artifact/symlink"]
    monkeypatch.setattr(ProcessPhase, "seal_now", naive)
    result = run(cheater, tmp_path, data_root, "process", None)
    assert result.outcome.status("artifact") == "pass"
    assert not result.outcome.failed


def test_whatever_a_submission_can_break_has_a_cheater_that_does() -> None:
    shelves = {cheater.shelf for cheater in ALL}
    assert shelves <= set(SHELVES)
    # No submission can break these by itself: tests/judge breaks them in the evidence.
    ours = {"hardware", "dataset", "isolation", "seeds", "clocks", "coverage", "doubts"}
    # It cannot know which draw it is run with, so what passes the looks and not this one is luck,
    # and luck that comes each time is no luck.
    ours |= {"confirmation"}
    # Scripts in upstream's own layout have a gallery of their own. Whoever goes over both budgets
    # together is stopped by the clock that stops any phase: tests/judge breaks that one.
    sent = {rule for each in (*upstream.cheaters(), *upstream.broken()) for rule in each.card.rule}
    assert set(CHECKS) - shelves - sent == ours | {"total_wallclock"}


def test_the_list_of_cheaters_is_fresh() -> None:
    kept = (ROOT / "tests/adversarial/README.md").read_text()
    assert kept == readme(), "run `python -m tests.adversarial --readme` and commit the result"


@pytest.mark.parametrize("track", ["10min_16mb"])
def test_looking_ahead_rarely_on_the_official_track_pays_only_where_it_is_seen(track: str) -> None:
    """A look ahead worth the margin, of four nats a target, meets dozens of probes."""
    rules = load_track(track)
    windows = (rules.dataset.validation_tokens or 0) // 64
    probes = rules.probes.count(windows=windows, targets=10**9, vocabulary_size=8192, runs=3)
    margin = rules.significance.margin_nats_per_token
    assert margin is not None
    share_of_targets = margin / 4.0
    # One position of a window is probed, so hits depend on the share of targets alone.
    assert probes * share_of_targets > 20  # missed with a probability below e**-20


def test_the_harness_imports_nothing_from_the_folder_that_it_is_called_in(tmp_path: Path) -> None:
    folder = tmp_path / "bigram"
    shutil.copytree(BIGRAM, folder)
    for module in ("pydantic", "rich", "psutil", "tomllib"):
        (folder / f"{module}.py").write_text("raise SystemExit('trick worked')")
    command = [sys.executable, "-m", "harness", "check", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "trick worked" not in done.stdout + done.stderr
