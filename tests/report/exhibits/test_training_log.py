"""Curves from logs: several spellings, and nothing that a stranger prints does harm."""

from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.store import RunDirectory
from harness.report.exhibits.model import TrainPoint
from harness.report.exhibits.training_log import training_curve
from tests.factories.broken import PLAN


def curve(place: Path, log: bytes) -> tuple[TrainPoint, ...]:
    (place / "train.log").write_bytes(log)
    return training_curve(RunDirectory(path=place, plan=PLAN), PurePath("train.log"))


@pytest.mark.parametrize(
    "lines",
    [
        (
            b"step:10/100 train_loss:5.5 train_time:1000ms",
            b"step:20/100 train_loss:4.5 train_time:3000ms",
        ),
        (b"step=10 loss=5.5 train_time=1s", b"step=20 loss=4.5 train_time=3s"),
        (b"10/100 train_loss: 5.5 train_time: 1.0s", b"20/100 train_loss: 4.5 train_time: 3.0s"),
        (b"step: 10 loss: 5.5", b"step: 20 loss: 4.5"),
        (b"[rank0]: iter:10 loss:5.5", b"[rank0]: iter:20 loss:4.5"),
    ],
)
def test_steps_are_read_in_the_spellings_of_the_field(
    tmp_path: Path, lines: tuple[bytes, bytes]
) -> None:
    log = b"     1.000 hello\n     2.000 %s\n     4.000 %s\n" % lines
    first, second = curve(tmp_path, log)
    assert (first.step, first.loss, first.seconds, first.step_ms) == (10, 5.5, 2.0, None)
    assert (second.step, second.loss, second.step_ms) == (20, 4.5, 200.0)


def test_what_is_no_step_is_passed_over(tmp_path: Path) -> None:
    log = (
        b"step:1 train_loss:1.0\n"  # without our stamp
        b"     1.000 val_loss:3.0 val_bpb:1.2\n"
        b"     2.000 step:5 train_loss:4.0\n"
        b"     3.000 step:4 train_loss:4.0\n"  # backwards
        b"     3.000 step:6 train_loss:nan\n"
        b"     3.000 step:99999999999999999999 train_loss:1\n"
        b"     3.000 step:-7 train_loss:1\n"
        b"     4.000 step:7 train_loss:1e300\n"
    )
    assert [(point.step, point.loss) for point in curve(tmp_path, log)] == [(5, 4.0)]


def test_a_clock_that_cannot_be_is_no_time_of_a_step(tmp_path: Path) -> None:
    log = b"".join(
        b"     %d.000 step:%d loss:1 train_time:%ss\n" % (step, step, clock)
        for step, clock in enumerate((b"1", b"1e308", b"1e999", b"-1e308", b"5"))
    )
    assert [point.step_ms for point in curve(tmp_path, log)] == [None, None, 1000, 1000, None]


def test_the_first_steps_and_the_last_one_are_never_lost_among_many(tmp_path: Path) -> None:
    log = b"".join(b"%10.3f step:%d train_loss:2.5\n" % (n / 10, n) for n in range(1, 10_001))
    found = curve(tmp_path, log)
    assert found[-1].step == 10_000
    assert {round(point.step_ms or 0) for point in found[1:]} == {100}


@given(
    st.binary(max_size=400)
    | st.lists(
        st.sampled_from(
            [
                b"     1.000 ",
                b"step:",
                b"1/2",
                b" train_loss:",
                b"\n",
                b"=",
                b"\xff",
                b"\x1b[31m",
                b"9" * 400,
            ]
        )
    ).map(b"".join)
)
def test_any_bytes_are_a_log(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        curve(Path(place), content)
