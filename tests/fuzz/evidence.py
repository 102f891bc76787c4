"""Hostile evidence: plans, runs and decisions that somebody wrote or changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

from harness.evidence.places import EVIDENCE, PLAN
from harness.judge.stored import judge_path
from tests.factories.broken import KILLED
from tests.factories.futures import FORMATS
from tests.factories.plans import plan
from tests.factories.results import failure, probes
from tests.factories.runs import good_runs, seed_run
from tests.factories.stored import store

_MADE = plan()
_FIRST = _MADE.draws[0]
_RUNS = good_runs(_MADE)


def _judging(name: str, *, runs: bool = True) -> Callable[[bytes, Path], object]:
    """Judges a good verification in which one file is the given bytes."""

    def feed(content: bytes, scratch: Path) -> None:
        place = scratch / "run"
        shutil.rmtree(place, ignore_errors=True)
        directory = store(place, _MADE, _RUNS if runs else ())
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(content)
        judge_path(directory.path, files=False).model_dump_json()

    return feed


run = _judging(f"seed-{_FIRST.seed}/try-1/{EVIDENCE}")
fixed_plan = _judging(PLAN, runs=False)
decision = _judging("decisions/1.json")


def runs() -> tuple[bytes, ...]:
    """Runs of one draw: good, killed, at fault, lost, and with another answer."""
    made = (
        _RUNS[0],
        seed_run(_FIRST, train=KILLED, artifact=None),
        seed_run(_FIRST, failure=failure("submission", "scoring")),
        seed_run(_FIRST, failure=failure("infrastructure", "causality")),
        seed_run(_FIRST, probes=probes(gain=0.1)),
    )
    return tuple(each.model_dump_json(indent=1).encode() for each in made)


def plans() -> tuple[bytes, ...]:
    """The frozen plans."""
    return tuple(path.read_bytes() for path in sorted(FORMATS.glob(f"*/{PLAN}")))


def decisions() -> tuple[bytes, ...]:
    """One about some evidence, and one about other."""
    return tuple(path.read_bytes() for path in sorted(FORMATS.glob("decided/decisions/*.json")))
