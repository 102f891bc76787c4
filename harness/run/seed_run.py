"""One seed run: train in a sandbox, seal the artifact, score it in another sandbox.

Whatever goes wrong becomes evidence here: trouble of the submission's, or trouble of ours.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.facts import ArtifactFacts, MemorisationFacts, PhaseFacts, SeedRun, Trouble
from harness.hardware.machine import Telemetry
from harness.run.context import CODE, DATA, TOKENIZER, Rig
from harness.run.scoring_session import PROBE_ALLOWANCE, Examiner, ending
from harness.sandbox.protocol import ArtifactError, Job, Mount, Running
from harness.scoring.document_costs import costs_of, gap_facts, memorisation_facts, plain_bits
from harness.upstream.logs.timeline import timeline

TICK_SECONDS = 0.2
Step = Literal["train", "seal", "score", "probe", "holdout"]


def run_seed(rig: Rig, index: int, seed: int) -> SeedRun:
    """One seed run, from nothing to its evidence."""
    rig.ledger.begin_seed(seed)
    run = _train(rig, index, seed)
    if run.artifact is None:
        return run
    return score_artifact(rig, index, run)


def _train(rig: Rig, index: int, seed: int) -> SeedRun:
    directory = rig.ledger.seed_directory(seed)
    log = directory / "train.log"
    rig.progress.phase(
        index, len(rig.ledger.verification.seeds), seed, "train", rig.track.budget.train_seconds
    )
    run = SeedRun(seed=seed)
    where: Step = "train"
    try:
        with (
            rig.sandbox.start(_train_job(rig, seed, log)) as running,
            Telemetry(rig.accelerators, is_ours=running.owns) as telemetry,
        ):
            facts = _wait(running, rig)
            run = run.model_copy(
                update={
                    "train": facts,
                    "throttle": telemetry.throttle,
                    "timeline": timeline(log, total_seconds=facts.wallclock_seconds),
                }
            )
            if facts.outcome == "deadline":
                return run
            if facts.outcome != "completed":
                return _troubled(run, "train", ending(facts, running))
            where = "seal"
            artifact = running.seal(
                rig.train.artifact,
                directory / "artifact" / rig.train.artifact,
                limit_bytes=rig.track.sandbox.output_bytes,
            )
            return run.model_copy(
                update={"artifact": artifact, "checkpoint": _seal_checkpoint(rig, running, seed)}
            )
    except ArtifactError as error:
        return _troubled(run, "seal", str(error))
    except SubmissionError as error:
        return _troubled(run, "train", str(error))
    except InfrastructureError as error:
        return _lost(run, where, error)


def _train_job(rig: Rig, seed: int, log: Path) -> Job:
    """What training gets: its code, the train shards, the tokenizer, and the contract's figures."""
    sandbox, dataset = rig.sandbox, rig.dataset
    data = Mount(dataset.train_directory, DATA)
    tokenizer = Mount(dataset.tokenizer_path.parent, TOKENIZER)
    accelerators = rig.accelerators
    count = str(max(1, len(accelerators)))
    return Job(
        phase="train",
        command=tuple(word.replace("{accelerators}", count) for word in rig.train.command),
        environment={
            **rig.train.env,
            "SEED": str(seed),
            "DATA_PATH": sandbox.inside(data),
            "TOKENIZER_PATH": f"{sandbox.inside(tokenizer)}/{dataset.tokenizer_path.name}",
            "VOCAB_SIZE": str(dataset.manifest.vocabulary_size),
            "OUTPUT_DIR": sandbox.output,
            "MAX_WALLCLOCK_SECONDS": f"{rig.track.budget.train_seconds:g}",
            "RUN_ID": f"seed-{seed}",
        },
        start_variable="WALLCLOCK_STARTED_AT",
        code=Mount(rig.ledger.code, CODE),
        mounts=(data, tokenizer),
        limits=rig.track.sandbox,
        wallclock_seconds=rig.track.budget.train_seconds,
        accelerators=accelerators,
        log=log,
    )


def _seal_checkpoint(rig: Rig, running: Running, seed: int) -> ArtifactFacts | None:
    """The unquantised weights, when the training left them. Not counted, so never required."""
    name = rig.train.checkpoint
    if name is None:
        return None
    destination = rig.ledger.seed_directory(seed) / "checkpoint" / name
    try:
        return running.seal(name, destination, limit_bytes=rig.track.sandbox.output_bytes)
    except ArtifactError as error:
        rig.progress.note(f"seed {seed}: no checkpoint: {error}")
        return None


def score_artifact(rig: Rig, index: int, run: SeedRun) -> SeedRun:
    """Score a sealed artifact, then probe it; ``run`` holds the evidence of its training."""
    directory = rig.ledger.seed_directory(run.seed)
    file = rig.ledger.artifact(run)
    where: Step = "score"
    try:
        _announce(rig, index, run, "score")
        examiner = Examiner(rig, seed=run.seed)
        scored = examiner.score(
            file,
            log=directory / "score.log",
            documents=directory / "documents.npz",
            probed=True,
        )
        run = run.model_copy(
            update={
                "score": scored.facts,
                "scoring": scored.result,
                "throttle": run.throttle.joined(scored.throttle),
            }
        )
        if scored.complaint:
            return _troubled(run, "score", scored.complaint)
        if scored.result is None:
            return run
        where = "probe"
        _announce(rig, index, run, "probe")
        probed = examiner.probe(file, log=directory / "probe.log")
        run = run.model_copy(
            update={
                "probe": probed.facts,
                "probes": probed.result,
                "throttle": run.throttle.joined(probed.throttle),
            }
        )
        if probed.complaint or probed.result is None:
            return _troubled(run, "probe", probed.complaint or probed.facts.detail)
        run = run.model_copy(update={"memorisation": _spread(rig, directory / "documents.npz")})
        where = "holdout"
        run = _score_holdout(rig, index, run)
    except SubmissionError as error:
        return _troubled(run, where, str(error))
    except InfrastructureError as error:
        return _lost(run, where, error)
    return _score_checkpoint(rig, index, run, examiner) if rig.quantization_gap else run


def _spread(rig: Rig, documents: Path) -> MemorisationFacts:
    """How the score's cost is spread over the validation documents."""
    bits, text_bytes = costs_of(documents)
    return memorisation_facts(bits, text_bytes, plain_bits(rig.dataset))


def _score_holdout(rig: Rig, index: int, run: SeedRun) -> SeedRun:
    """Score the artifact on the track's unpublished documents too, where it names some."""
    if rig.holdout is None:
        return run
    directory = rig.ledger.seed_directory(run.seed)
    _announce(rig, index, run, "unpublished")
    examiner = Examiner(replace(rig, dataset=rig.holdout), seed=run.seed)
    scored = examiner.score(
        rig.ledger.artifact(run),
        log=directory / "holdout.log",
        documents=directory / "holdout.npz",
        probed=False,
    )
    run = run.model_copy(
        update={
            "holdout": scored.facts,
            "holdout_scoring": scored.result,
            "throttle": run.throttle.joined(scored.throttle),
        }
    )
    if scored.complaint:
        return _troubled(run, "holdout", scored.complaint)
    if scored.result is None:
        # The budget is that of the validation split, which this set may be larger than.
        late = "no time was left to score the unpublished documents"
        remedy = "resume, or let the track name a smaller set"
        return _lost(run, "holdout", InfrastructureError(late, remedy=remedy))
    gap = gap_facts(
        *(
            (*costs_of(directory / file), plain_bits(dataset))
            for file, dataset in (("documents.npz", rig.dataset), ("holdout.npz", rig.holdout))
        )
    )
    return run.model_copy(update={"gap": gap})


def _score_checkpoint(rig: Rig, index: int, run: SeedRun, examiner: Examiner) -> SeedRun:
    """Score the unquantised weights too: information, so a failure here changes no verdict."""
    if run.checkpoint is None:
        return run
    directory = rig.ledger.seed_directory(run.seed)
    _announce(rig, index, run, "unquantised")
    try:
        scored = examiner.score(
            rig.ledger.checkpoint(run),
            log=directory / "unquantised.log",
            documents=directory / "unquantised.npz",
            probed=False,
        )
    except (SubmissionError, InfrastructureError) as error:
        rig.progress.note(f"seed {run.seed}: the checkpoint was not scored: {error}")
        return run
    if scored.complaint:
        rig.progress.note(f"seed {run.seed}: the checkpoint was not scored: {scored.complaint}")
    return run.model_copy(update={"unquantised": scored.result})


def _announce(rig: Rig, index: int, run: SeedRun, what: str) -> None:
    seeds = len(rig.ledger.verification.seeds)
    allowance = PROBE_ALLOWANCE if what == "probe" else 1
    limit_seconds = rig.track.budget.score_seconds * allowance
    rig.progress.phase(index, seeds, run.seed, what, limit_seconds)


def _wait(running: Running, rig: Rig) -> PhaseFacts:
    while (facts := running.wait(TICK_SECONDS)) is None:
        rig.progress.tick(running.elapsed_seconds, running.last_line)
    return facts


def _troubled(run: SeedRun, phase: Step, reason: str) -> SeedRun:
    trouble = Trouble(fault="submission", phase=phase, reason=reason)
    return run.model_copy(update={"trouble": trouble})


def _lost(run: SeedRun, phase: Step, error: InfrastructureError) -> SeedRun:
    trouble = Trouble(fault="infrastructure", phase=phase, reason=str(error))
    return run.model_copy(update={"trouble": trouble})
