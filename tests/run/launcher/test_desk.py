"""What is written down about tasks, as somebody may have changed it."""

from pathlib import Path

import pytest

from harness.evidence.store import RunDirectory
from tests.factories.plans import plan, strict_track
from tests.factories.playground import harness
from tests.factories.stored import store
from tests.run.test_queue import ORDER


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = store(tmp_path / "run", plan(strict_track()), [])
    (made.path / "tasks").mkdir()
    return made


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"draw": 0', '"draw": 999', "draw: expected one of the 3 draws of the plan"),
        ('"slurm"', '"sl\\u0000urm"', "launcher: expected the name of a launcher"),
        ('"/data"', '"/da\\u0000ta"', "data: expected a path"),
    ],
)
def test_an_order_that_cannot_be_followed_is_told(
    directory: RunDirectory, old: str, new: str, told: str
) -> None:
    file = directory.path / "tasks" / "1.json"
    file.write_text(ORDER.replace(old, new))
    done = harness("work", file)
    assert done.code == 2 and "Traceback" not in done.err
    assert str(file) in done.err and told in done.err
