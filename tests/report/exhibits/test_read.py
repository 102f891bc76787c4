"""Exhibits of a run directory: read from the evidence, bounded, and never a reason to fail."""

import json
import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.evidence.host import TelemetryFacts
from harness.evidence.results import Shown
from harness.evidence.store import RunDirectory
from harness.report.exhibits import model
from harness.report.exhibits.read import read_exhibits, read_shown
from harness.report.exhibits.telemetry_curve import busy_seconds, kilojoules
from harness.report.html.report import render_report
from tests.factories.plans import plan
from tests.factories.playground import ROOT
from tests.factories.results import pace, probes, recall, spread
from tests.factories.runs import good_runs
from tests.factories.stored import store
from tests.factories.telemetry import some_curves, watched

FORMATS = ROOT / "tests/evidence/formats"
LOG = "".join(
    f"{10 + step / 10:10.3f} step:{step}/900 train_loss:{7 - step / 200:.4f} "
    f"train_time:{step * 90}ms\n"
    for step in range(0, 901, 50)
)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = plan()
    found = store(tmp_path / "run", made, good_runs(made, spread=spread(0.3, 0.31, 0.32)))
    for run in found.runs():
        (found.directory_of(run) / "train.log").write_text(LOG)
    return found


def test_every_run_is_shown_with_what_was_kept_of_it(directory: RunDirectory) -> None:
    found = read_exhibits(directory)
    seeds = [draw.seed for draw in directory.plan.draws]
    assert [run.seed for run in found.runs] == seeds[: len(found.runs)]
    assert found.left_out == 0
    assert found.train_limit_seconds == directory.plan.track.budget.train_seconds
    for run in found.runs:
        assert len(run.training) == 19
        assert run.training[1].step_ms == pytest.approx(90)
        assert run.spread is not None
        assert run.probes is not None
        assert (run.weights is None) == bool(run.weights_why)


def test_sandboxes_lie_in_time_as_the_engine_saw_them(directory: RunDirectory) -> None:
    (first, *_) = directory.runs()
    (shown, *_) = read_exhibits(directory).runs
    engine = [stretch for stretch in shown.stretches if stretch.by == "engine"]
    phases = [phase for step in first.steps for phase in step.phases]
    assert [stretch.seconds for stretch in engine] == [phase.wallclock_seconds for phase in phases]
    assert engine[0].begins == 0
    assert engine[0].limit_seconds == directory.plan.track.budget.train_seconds
    inside = [stretch for stretch in shown.stretches if stretch.by == "scoring"]
    assert first.scores is not None
    assert inside[0].seconds == first.scores.load_seconds


def test_without_logs_and_artifacts_the_rest_is_shown(directory: RunDirectory) -> None:
    for run in directory.runs():
        (directory.directory_of(run) / "train.log").unlink()
        directory.artifact(run).unlink()
    found = read_exhibits(directory)
    assert all(run.training == () for run in found.runs)
    assert {run.weights_why for run in found.runs} == {"it is not there any more"}


def test_a_log_that_is_a_link_or_a_pipe_is_not_read(
    directory: RunDirectory, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.log"
    secret.write_text(LOG)
    first, second, *_ = [directory.directory_of(run) / "train.log" for run in directory.runs()]
    first.unlink()
    first.symlink_to(secret)
    second.unlink()
    os.mkfifo(second)
    found = read_exhibits(directory)
    assert [len(run.training) for run in found.runs[:2]] == [0, 0]


def test_accelerators_are_shown_moment_by_moment(tmp_path: Path) -> None:
    made = plan()
    found = store(tmp_path / "watched", made, good_runs(made, telemetry=watched()))
    for run in read_exhibits(found).runs:
        (seen,) = run.telemetry
        assert len(seen.curve) == model.MOST_POINTS
        first, last = seen.curve[0], seen.curve[-1]
        assert (first.seconds, first.lowest_mhz, first.hottest_celsius) == (0, 1_973, 55)
        assert last.seconds == 598
        assert last.lowest_mhz == seen.facts.lowest_sm_clock_mhz
        assert last.limit_watts == 693
        assert 640 <= (last.watts or 0) <= 646


def test_what_accelerators_worked_is_shown_in_sum_and_said_to_prove_nothing(tmp_path: Path) -> None:
    made = plan()
    found = store(tmp_path / "watched", made, good_runs(made, telemetry=watched()))
    (seen,) = read_exhibits(found).runs[0].telemetry
    assert seen.busy_seconds == pytest.approx(8 * 0.99 * 599.8, rel=1e-6)
    # One of the eight has no sensor, so its share is not made up.
    assert seen.kilojoules == pytest.approx(7 * 0.643 * 599.8, rel=1e-3)
    page = render_report(read_shown(found.path), drawn=False)
    assert "4,750" in page and "work can be done for show" in page


def test_how_many_shards_were_opened_is_shown_and_said_to_prove_nothing(tmp_path: Path) -> None:
    shown = Shown(
        files=9,
        documents=90,
        denied_documents=10,
        tokens=900,
        denied_tokens=100,
        recipe_sha256="a" * 64,
        sha256="b" * 64,
    )
    made = plan()
    found = store(tmp_path / "opened", made, good_runs(made, shown=shown, opened=4))
    page = render_report(read_shown(found.path), drawn=False)
    assert "4 of 9" in page and "To open is not to learn" in page
    unknown = store(tmp_path / "unknown", made, good_runs(made, shown=shown))
    assert "To open is not to learn" not in render_report(read_shown(unknown.path), drawn=False)


def test_how_long_requests_took_is_shown_and_said_to_prove_nothing(tmp_path: Path) -> None:
    made = plan()
    timed = good_runs(made, probes=probes(pace=pace(0.5, 7.5)), recall=recall(pace=pace(0.9, 1.1)))
    page = render_report(read_shown(store(tmp_path / "timed", made, timed).path), drawn=False)
    assert ", another suffix, 0.5 and 7.5;" in page and ", another order, 0.9 and 1.1;" in page
    assert "A busy machine is slow, too" in page
    unknown = store(tmp_path / "unknown", made, good_runs(made))
    assert "A busy machine is slow" not in render_report(read_shown(unknown.path), drawn=False)


def test_energy_that_no_driver_tells_is_not_zero() -> None:
    silent = some_curves(5)
    silent.columns["milliwatts"][:] = -1
    assert kilojoules(silent) is None
    assert busy_seconds(some_curves(1)) == 0


def test_a_file_of_telemetry_that_is_not_the_evidences_is_not_shown(tmp_path: Path) -> None:
    made = plan()
    found = store(tmp_path / "watched", made, good_runs(made, telemetry=watched()))
    first, second, *_ = found.runs()
    found.telemetry(first, "train").write_bytes(some_curves(5).to_bytes())
    found.telemetry(second, "train").unlink()
    shown = read_exhibits(found).runs
    assert [len(run.telemetry[0].curve) for run in shown[:2]] == [0, 0]


def test_why_accelerators_were_not_watched_is_shown(tmp_path: Path) -> None:
    made, why = plan(), "no telemetry: the NVIDIA driver gave no answer"
    facts = TelemetryFacts(missing=why)
    found = store(tmp_path / "watched", made, good_runs(made, telemetry=facts))
    assert why in render_report(read_shown(found.path), drawn=False)


def test_more_runs_than_are_shown_are_counted(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.report.exhibits.read.MOST_RUNS", 1)
    found = read_exhibits(directory)
    assert (len(found.runs), found.left_out) == (1, len(directory.runs()) - 1)


def test_what_is_read_is_bounded(directory: RunDirectory) -> None:
    many = "".join(f"{n / 100:10.3f} step:{n} train_loss:{n % 7}.5\n" for n in range(30_000))
    for run in directory.runs():
        (directory.directory_of(run) / "train.log").write_text(many)
    for shown in read_exhibits(directory).runs:
        assert 100 < len(shown.training) <= model.MOST_POINTS
        assert shown.training[-1].step == 29_999


@pytest.mark.parametrize("name", sorted(path.name for path in FORMATS.iterdir() if path.is_dir()))
def test_every_stored_format_has_a_page(name: str) -> None:
    shown = read_shown(FORMATS / name)
    assert shown.exhibits is not None
    assert shown.verdict.verdict in render_report(shown, drawn=False)


def inspection(place: Path, size: int) -> Path:
    tensor = {"shape": [4], "bits_per_weight": 6, "bytes": 4, "stored": "int6"}
    tensors = [
        {**tensor, "name": "\u202esmall", "compressed_bytes": 10, "rms_error": 0.5},
        {**tensor, "name": "large", "compressed_bytes": 90},
    ]
    told = {"submission": "s", "artifact": "a", "artifact_bytes": size, "code_bytes": 1}
    content = json.dumps({**told, "bytes_limit": 16_000_000, "tensors": tensors, "warnings": []})
    (place / "inspection.json").write_text(content)
    return place / "inspection.json"


def test_an_inspection_is_shown_with_the_run_that_it_is_of(
    directory: RunDirectory, tmp_path: Path
) -> None:
    artifact = directory.runs()[0].artifact
    assert artifact is not None
    kept = inspection(tmp_path, artifact.bytes)
    shown = read_shown(directory.path, inspection=kept)
    assert shown.exhibits is not None
    assert shown.exhibits.inspected is not None
    told = [(each.name, each.rms_error) for each in shown.exhibits.inspected.tensors]
    assert told == [("large", None), ("small", 0.5)]
    with pytest.raises(UsageError, match="of another artifact"):
        read_shown(directory.path, inspection=inspection(tmp_path, artifact.bytes + 1))
    kept.write_text('{"tensors": 1}')
    with pytest.raises(UsageError, match="not an inspection"):
        read_shown(directory.path, inspection=kept)
    kept.write_text("[")
    with pytest.raises(UsageError, match="not an inspection"):
        read_shown(directory.path, inspection=kept)
    verdict = tmp_path / "verdict.json"
    verdict.write_text(shown.verdict.model_dump_json())
    with pytest.raises(UsageError, match="belongs to a run directory"):
        read_shown(verdict, inspection=kept)


def test_a_verdict_alone_has_no_exhibits_and_something_else_is_refused(tmp_path: Path) -> None:
    shown = read_shown(FORMATS / "decided")
    alone = tmp_path / "verdict.json"
    alone.write_text(shown.verdict.model_dump_json())
    assert read_shown(alone).exhibits is None
    assert read_shown(alone).verdict == shown.verdict
    with pytest.raises(UsageError, match=r"no plan\.json"):
        read_shown(tmp_path)
    with pytest.raises(UsageError, match="No such file"):
        read_shown(tmp_path / "nothing")
