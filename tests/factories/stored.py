"""A whole run directory from models, in milliseconds: nothing is run, and nothing is synced."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness.evidence.decisions import Decision
from harness.evidence.places import BRIDGE, ENTRY, EVIDENCE, PLAN
from harness.evidence.plan import Plan
from harness.evidence.results import ArtifactFacts, Scores
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.safeio.files import sha256_of_bytes
from tests.factories.plans import CODE
from tests.factories.results import document_costs, weights
from tests.factories.telemetry import some_curves


def store(
    path: Path,
    made: Plan,
    runs: Iterable[Run],
    *,
    files: Mapping[str, bytes] = CODE,
    bridge: Mapping[str, bytes] | None = None,
) -> RunDirectory:
    """Write plan, entry and tries, with every file that they speak of.

    Args:
        path: of the run directory, which is made.
        made: the plan.
        runs: tries of its draws, those that do not count among them.
        files: contents of the entry; those of :func:`samples.entry` unless given.
        bridge: contents of the bridge, for a plan with one.

    An artifact is what :func:`samples.weights` says; one with other facts is a file of as many
    zeros, and documents add up to their scores: where the models lie, so does the directory.
    """
    path.mkdir(parents=True)
    for name, content in files.items():
        _write(path / ENTRY / name, content)
    for name, content in (bridge or {}).items():
        _write(path / BRIDGE / name, content)
    write_model(path / PLAN, made)
    directory = RunDirectory(path=path, plan=made)
    for run in runs:
        store_run(directory, run)
    return directory


def decide(directory: RunDirectory, rule: str, **changes: Any) -> Decision:
    """Record that a human settled a rule, about the evidence as it is now unless told otherwise."""
    fields: dict[str, Any] = {
        "rule": rule,
        "outcome": "pass",
        "why": "The cheap documents are licenses; they stand in the train text too.",
        "who": "R. Referee",
        "at": "2025-11-22T09:00:00.000+00:00",
        "evidence": directory.evidence_digest(),
    }
    decision = Decision(**(fields | changes))
    folder = directory.path / "decisions"
    folder.mkdir(exist_ok=True)
    write_model(folder / f"{len(list(folder.iterdir())) + 1}.json", decision)
    return decision


def write_model(path: Path, model: BaseModel) -> None:
    """Write a model as the harness does."""
    _write(path, model.model_dump_json(indent=2).encode() + b"\n")


def store_run(directory: RunDirectory, run: Run) -> None:
    place = directory.directory_of(run)
    write_model(place / EVIDENCE, run)
    for folder, facts, seed in (
        ("artifact", run.artifact, run.seed),
        ("checkpoint", run.checkpoint, run.seed + 1),
    ):
        (place / folder).mkdir(exist_ok=True)
        if facts is not None:
            _store_sealed(place / folder / facts.name, facts, _likely(seed, directory.plan.seeds))
    for step in run.steps:
        if isinstance(step.result, Scores):
            directory.documents(run, step.name).write_bytes(_costs(step.result))
        if step.telemetry is not None and step.telemetry.file_sha256 is not None:
            directory.telemetry(run, step.name).write_bytes(some_curves().to_bytes())


def _costs(scores: Scores) -> bytes:
    return document_costs(
        scores.total_nats,
        text_bytes=scores.bytes,
        targets=scores.targets,
        documents=scores.documents,
    )


def _likely(seed: int, seeds: Sequence[int]) -> Iterable[bytes]:
    return (weights(each) for each in (seed, *seeds))


def _store_sealed(path: Path, facts: ArtifactFacts, contents: Iterable[bytes]) -> None:
    for content in contents:
        if len(content) == facts.bytes and sha256_of_bytes(content) == facts.sha256:
            path.write_bytes(content)
            return
    with path.open("wb") as file:
        file.truncate(facts.bytes)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
