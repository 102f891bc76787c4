"""The loss of a training while its log grows: claims of a stranger, read for the display alone."""

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.report.figures import sparkline
from harness.report.growing_log import MOST_POINTS, PIECE_BYTES, GrowingLog
from harness.report.live import LineProgress, LiveProgress
from harness.report.running import RunningStep
from tests.factories import runs
from tests.report.test_live import SCORE, TRAIN, directory


class Log:
    """A log that somebody writes to, and a clock that is turned by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 0.0
        self.read = GrowingLog(path, clock=lambda: self.now)

    def add(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)

    def look(self) -> None:
        self.now += 2.0
        self.read.look()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "train.log")


def step(seconds: float, number: int, loss: float, planned: int = 1000) -> bytes:
    return f"{seconds:9.3f} step:{number}/{planned} train_loss:{loss:.4f}\n".encode()


def test_it_is_read_as_it_grows(log: Log) -> None:
    log.look()  # it does not exist yet
    assert log.read.points == [] and log.read.last is None
    log.add(b"    0.100 Hyperparameters:\n" + step(1, 10, 6.9))
    log.look()
    whole = step(2, 20, 5.5)
    log.add(whole[:14])
    log.look()
    assert [point.loss for point in log.read.points] == [6.9]
    log.add(whole[14:] + step(3, 30, 4.5))
    log.look()
    assert [tuple(point) for point in log.read.points] == [
        (1.0, 6.9, 10),
        (2.0, 5.5, 20),
        (3.0, 4.5, 30),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "step:10/100 train_loss:6.5000",
        "step 10/100 | loss 6.5 | lr 0.1",
        '{"step": 10, "loss": 6.5}',
        "[rank0]: step=10 loss=6.5",
        "10/100 train_loss: 6.5",
        "step:10/100 val_loss:7.1 train_loss:6.5",
    ],
)
def test_logs_of_many_scripts_are_understood(log: Log, text: str) -> None:
    log.add(f"    1.000 {text}\n".encode())
    log.look()
    assert [(point.loss, point.step) for point in log.read.points] == [(6.5, 10)]


@pytest.mark.parametrize(
    "text",
    [
        "step:10/100 val_loss:6.5 val_bpb:2.6",
        "val loss 6.5",
        "train_loss:nan",
        "train_loss:-1",
        "train_loss:1e300",
        "loss of power",
        "x" * 5000 + " train_loss:1",
        "train_loss:" + "9" * 400,
    ],
)
def test_what_is_no_training_loss_is_passed_over(log: Log, text: str) -> None:
    log.add(f"    1.000 {text}\n".encode())
    log.look()
    assert log.read.points == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.builds(
                lambda a, b, c: f"{a} step:{b}/{c} train_loss:{b}\n".encode(),
                st.floats(),
                st.integers(-5, 10**30),
                st.integers(-5, 10**30),
            ),
            st.sampled_from([b"\n", b"1.0 loss:", b"1.0 train_loss:2.5\n", b"\xff\xfe\x00\r"]),
        ),
        max_size=30,
    )
)
def test_no_log_is_an_error(log: Log, pieces: list[bytes]) -> None:
    for piece in pieces:
        log.add(piece)
        log.look()
        log.read.curve(40)
        log.read.steps(5.0, 10.0)
        log.read.steps(5.0, None)
    assert len(log.read.points) <= MOST_POINTS


def test_a_flood_is_skipped_and_its_end_counts(log: Log) -> None:
    log.add(step(1, 1, 9.0))
    log.look()
    log.add(b"    2.000 noise\n" * PIECE_BYTES + step(3, 500, 2.0))
    log.look()
    assert [point.loss for point in log.read.points] == [9.0, 2.0]
    for number in range(3 * MOST_POINTS):
        log.add(step(4 + number, 500 + number, 2.0, planned=10**6))
        log.look()
    assert MOST_POINTS // 2 <= len(log.read.points) <= MOST_POINTS
    assert log.read.points[0].loss == 9.0 and log.read.points[-1].step == 499 + 3 * MOST_POINTS


def test_it_takes_a_hundredth_of_the_time_at_most(tmp_path: Path) -> None:
    """A look that took long is followed by a rest a hundred times as long."""
    path, now, reads = tmp_path / "train.log", [0.0], []

    class Slow(GrowingLog):
        def _piece(self) -> bytes:
            reads.append(now[0])
            now[0] += 0.5
            return b""

    slow = Slow(path, clock=lambda: now[0])
    while now[0] < 200:
        slow.look()
        now[0] += 0.2
    assert len(reads) == 4 and reads[1] - reads[0] >= 50


def test_other_kinds_of_files_are_no_error(tmp_path: Path) -> None:
    folder = Log(tmp_path)
    folder.look()
    assert folder.read.points == []


def test_the_end_follows_from_the_rate_of_late(log: Log) -> None:
    for number in range(1, 11):
        log.add(step(10.0 * number, 10 * number, 5.0, planned=200))
    log.look()
    steps = log.read.steps(100.0, None)
    assert steps is not None and (steps.done, steps.planned) == (100, 200)
    assert steps.left_seconds == pytest.approx(100) and steps.at_limit is None
    late = log.read.steps(100.0, 150.0)
    assert late is not None and late.left_seconds == pytest.approx(50) and late.at_limit == 150


def test_the_curve_is_as_wide_as_there_is_room(log: Log) -> None:
    for number in range(100):
        log.add(step(number + 1, number, 10 - number / 20))
    log.look()
    curve = log.read.curve(10)
    assert len(curve) == 10 and curve[0] > curve[-1]
    assert log.read.curve(500) == tuple(point.loss for point in log.read.points)
    drawn = sparkline(curve, lowest=min(curve))
    assert drawn[0] == "\u2588" and drawn[-1] == "\u2581"


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_display_shows_curve_end_and_cost(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = runs.seed_run(directory().plan.draws[0], 2.6).model_copy(update={"steps": ()})
    path = directory().path / "seed-11/try-1/train.log"
    path.parent.mkdir(parents=True)
    lines = [step(0.1 * number, number, 7 - number / 50, planned=200) for number in range(1, 101)]
    path.write_bytes(b"".join(lines) + b"   10.1 \x1b[2J[red]hostile\n")
    progress = LiveProgress(Console(file=io.StringIO(), width=width, force_terminal=True))
    progress.step(directory(), run, TRAIN, limit_seconds=60.0)
    progress.tick(10.0, "\x1b[2J[red]hostile")
    text = _shown(progress, width)
    assert "6.98 to 5" in text and "step 100 of 200 (by its log)" in text
    assert "this step in a few seconds" in text and "\x1b" not in text
    assert ("\u2588" in text.split("loss")[1].split("6.98")[0]) == (width > 70)
    progress.step(directory(), run, SCORE, limit_seconds=None)
    progress.tick(1.0, "", targets_done=5, targets_total=500, tokens_per_second=1, bpb=2.5)
    text = _shown(progress, width)
    assert "about 2.5000 BPB so far" in text and "this step in about 8 min" in text


def _shown(progress: LiveProgress, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(progress._picture())
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return " ".join(file.getvalue().split())


def test_a_pipe_gets_them_as_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = runs.seed_run(directory().plan.draws[0], 2.6).model_copy(update={"steps": ()})
    path = directory().path / "seed-11/try-1/train.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(step(1, 10, 6.9) + step(2, 20, 5.9))
    file, now = io.StringIO(), [0.0]
    progress = LineProgress(Console(file=file, width=80), clock=lambda: now[0])
    progress.step(directory(), run, TRAIN, limit_seconds=60.0)
    now[0] = 11.0
    progress.tick(2.0, "x")
    assert "loss 6.9 to 5.9, step 20 of 1,000 (by its log)" in file.getvalue()


def test_a_cost_that_is_no_number_is_not_shown() -> None:
    state = RunningStep("title", None)
    for bpb in (float("nan"), float("inf"), None):
        later = state.at(1.0, "", targets_done=1, targets_total=2, tokens_per_second=1.0, bpb=bpb)
        assert later.cost == ""
