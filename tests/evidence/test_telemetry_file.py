"""What accelerators did, moment by moment, in a file that needs no pickle and is not believed."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfrastructureError
from harness.evidence.integrity import check_kept
from harness.evidence.store import RunDirectory
from harness.evidence.telemetry_file import COLUMNS, Curves, NotTelemetryError
from tests.factories.plans import plan
from tests.factories.runs import good_runs
from tests.factories.stored import store
from tests.factories.telemetry import some_curves, watched


@given(st.integers(0, 40), st.integers(1, 9), st.randoms(use_true_random=False))
def test_it_is_read_back_as_it_was(moments: int, devices: int, random: Any) -> None:
    draw = np.random.default_rng(random.getrandbits(32))
    shape = (moments, devices)
    made = Curves(
        uuids=tuple(f"GPU-{number}" for number in range(devices)),
        seconds=np.sort(draw.uniform(0, 600, moments)).astype(np.float32),
        columns={name: draw.integers(-1, 1 << 31, shape).astype(np.int32) for name in COLUMNS},
    )
    read = Curves.from_bytes(made.to_bytes())
    assert read.uuids == made.uuids
    assert (read.seconds == made.seconds).all()
    for name in COLUMNS:
        assert (read.columns[name] == made.columns[name]).all()


def with_arrays(**changes: Any) -> bytes:
    made = some_curves(moments=3)
    arrays: dict[str, Any] = {"uuids": np.array(made.uuids), "seconds": made.seconds}
    arrays |= made.columns | changes
    file = io.BytesIO()
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    return file.getvalue()


def huge() -> bytes:
    """Says that it holds a gigabyte, and packs it into a megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("seconds.npy", bytes(100 << 20))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x05\x06" + bytes(18),
        with_arrays(seconds=None),
        with_arrays(sm_mhz=None),
        with_arrays(sm_mhz=np.zeros((3, 1), np.int64)),
        with_arrays(sm_mhz=np.zeros((2, 2), np.int32)),
        with_arrays(seconds=np.array([0, 1, np.nan], np.float32)),
        with_arrays(seconds=np.zeros((3, 1), np.float32)),
        with_arrays(seconds=np.array(0, np.float32)),
        with_arrays(uuids=np.array([{}], object)),
        with_arrays(uuids=np.array(0)),
        huge(),
    ],
)
def test_nothing_else_is_taken_for_one(content: bytes) -> None:
    with pytest.raises(NotTelemetryError):
        Curves.from_bytes(content)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = plan()
    return store(tmp_path / "run", made, good_runs(made, telemetry=watched()))


def test_it_is_what_the_evidence_says(directory: RunDirectory) -> None:
    check_kept(directory)


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_file_that_was_changed_is_refused(directory: RunDirectory, how: str) -> None:
    file = directory.telemetry(directory.runs()[0], "train")
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(some_curves(moments=7).to_bytes())
    with pytest.raises(InfrastructureError, match=r"telemetry\.npz: missing, or not what was seen"):
        check_kept(directory)
