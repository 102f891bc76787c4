"""The main job: from a submission to a verdict.

Read top to bottom: :func:`verify` fixes the plan, runs each seed and judges. What happens
within a seed run is ``seed_run.py``; what the evidence means is ``rules.py``.
"""

import contextlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from harness import PACKAGE, __version__
from harness.contest.submission import Submission, check_on_track
from harness.contest.track import Track
from harness.data.format.dataset import Dataset
from harness.errors import InfrastructureError, UsageError
from harness.evidence.draws import draw_seeds
from harness.evidence.facts import BarFacts, SeedRun, Verification
from harness.evidence.integrity import check_kept
from harness.evidence.store import Ledger, count_earlier, find_unfinished
from harness.hardware.machine import disk_free_bytes, machine
from harness.judge.judgement import is_hopeless
from harness.judge.rules import counted_code_bytes
from harness.judge.stored import judge_ledger
from harness.judge.verdict import Verdict
from harness.run.context import Rig
from harness.run.progress import Progress
from harness.run.seed_run import run_seed, score_artifact
from harness.run.texts import Texts, prepare_texts
from harness.safeio.files import digest_of_named, disk_errors, sha256_of_bytes
from harness.safeio.reading import read_inside
from harness.sandbox.protocol import Sandbox

# What a rescoring finds out anew.
_SCORE_EVIDENCE = (
    *("score", "scoring", "probe", "probes"),
    *("memorisation", "holdout", "holdout_scoring", "gap"),
    *("trouble", "checkpoint", "unquantised"),
)

# Of training, scoring, probes, the unpublished documents and the unquantised checkpoint.
_LOGS_A_SEED = 5


def verify(
    submission: Submission,
    track: Track,
    dataset: Dataset,
    sandbox: Sandbox,
    *,
    runs: Path,
    seeds: tuple[int, ...] | None,
    resume: bool,
    quantization_gap: bool = False,
    bar: BarFacts | None = None,
    progress: Progress,
) -> tuple[Verdict, Path]:
    """Run every seed of a verification that is still to run, then judge.

    Args:
        submission: loaded and valid.
        track: the rules.
        dataset: opened, so every file matches its manifest.
        sandbox: where untrusted code runs.
        runs: directory under which the evidence is kept.
        seeds: given by hand (never a record), or None to draw them.
        resume: go on with the latest unfinished verification of this submission and track.
        quantization_gap: also score the unquantised weights, as information.
        bar: what is to be beaten, where the track takes it from the leaderboard.
        progress: told of everything that happens.

    Returns:
        The verdict, and the directory with the evidence it follows from.

    Raises:
        SubmissionError: the track does not allow such a submission.
        InfrastructureError: our side failed before anything could be run, or evidence can't
            be written. A failure within a seed run is evidence, and makes it INCONCLUSIVE.
    """
    check_on_track(submission, track)
    _check_disk(runs, track)
    if track.bar.leaderboard and bar is None:
        raise UsageError(f"track {track.name}: takes its bar from a leaderboard, none was given")
    texts = prepare_texts(submission, track, dataset, note=progress.note)
    if resume:
        ledger = find_unfinished(
            runs, submission_digest=submission.digest, track_digest=track.digest
        )
        _check_unchanged(ledger.verification, texts, sandbox)
        check_kept(ledger, [run for run in ledger.runs() if not _is_lost(run)])
    else:
        earlier = count_earlier(
            runs, submission_digest=submission.digest, track_digest=track.digest
        )
        plan = _plan(submission, track, texts, sandbox, seeds, bar=bar)
        ledger = Ledger.create(
            runs, plan.model_copy(update={"earlier": earlier}), code=submission.contents
        )
    train, score = submission.manifest.on(track.name)
    rig = Rig(
        *(ledger, track, train, score, texts.scored, sandbox, progress, quantization_gap),
        holdout=texts.holdout,
    )
    with ledger.lock():
        progress.started(ledger.verification, ledger.directory)
        _run_remaining(rig, lambda index, seed: run_seed(rig, index, seed))
        verdict = judge_ledger(ledger)
        ledger.write_verdict(verdict)
    return verdict, ledger.directory


def rescore(
    original: Ledger,
    dataset: Dataset,
    sandbox: Sandbox,
    *,
    progress: Progress,
) -> tuple[Verdict, Path]:
    """Score the sealed artifacts of a verification again, without any training.

    The result is a verification directory of its own beside the original, with the original's
    train evidence and new score evidence.
    """
    plan = original.verification
    by_seed = {run.seed: run for run in original.runs()}
    if len(by_seed) < len(plan.seeds) or not any(run.artifact for run in by_seed.values()):
        raise UsageError(
            f"{original.directory}: expected evidence of all {len(plan.seeds)} seeds and a sealed "
            f"artifact, found {len(by_seed)} seed runs; finish it with --resume"
        )
    if plan.dataset.digest != dataset.digest:
        raise InfrastructureError(
            f"dataset {dataset.manifest.name}: not the one that the artifacts were scored on",
            remedy="name the directory that holds it with --data",
        )
    submission = original.submission()
    texts = prepare_texts(submission, plan.track, dataset, note=progress.note)
    _check_texts(plan, texts, "score again with the data that it was scored on")
    ledger = Ledger.create(
        original.directory.parent,
        plan.model_copy(
            update={
                "created_at": _now(),
                "rescored_from": original.directory.name,
                "sandbox": sandbox.prepare(),
                "machine": machine(needs_accelerators=plan.track.hardware.accelerators > 0),
                "harness_version": __version__,
                "harness_digest": harness_digest(),
            }
        ),
        code=submission.contents,
    )
    train, score = submission.manifest.on(plan.track.name)
    rig = Rig(
        *(ledger, plan.track, train, score, texts.scored, sandbox, progress),
        holdout=texts.holdout,
    )
    with ledger.lock():
        progress.started(ledger.verification, ledger.directory)

        def again(index: int, seed: int) -> SeedRun:
            ledger.begin_seed(seed)
            run = by_seed[seed]
            if run.artifact is None:
                return run
            _copy_sealed(original.artifact(run), ledger.artifact(run), run)
            kept = run.model_copy(update=dict.fromkeys(_SCORE_EVIDENCE))
            return score_artifact(rig, index, kept)

        _run_remaining(rig, again)
        verdict = judge_ledger(ledger)
        ledger.write_verdict(verdict)
    return verdict, ledger.directory


def _run_remaining(rig: Rig, run_one: Callable[[int, int], SeedRun]) -> None:
    """Run the seeds that have no evidence yet; stop when no verdict can change any more."""
    ledger = rig.ledger
    tokenizer = ledger.verification.tokenizer
    if tokenizer is not None and tokenizer.problem:
        rig.progress.note("nothing is run: the tokenizer does not give the text back")
        return
    done = {run.seed: run for run in ledger.runs() if not _is_lost(run)}
    for index, seed in enumerate(ledger.verification.seeds):
        if seed in done:
            run = done[seed]
        else:
            run = run_one(index, seed)
            ledger.write_run(run)
        rig.progress.seed_done(run)
        code_bytes = counted_code_bytes(ledger.verification, rig.track)
        if is_hopeless(run, rig.track, code_bytes=code_bytes):
            left = len(ledger.verification.seeds) - index - 1
            if left:
                rig.progress.note(f"{left} more seeds are not run: they cannot save this verdict")
            return


def _is_lost(run: SeedRun) -> bool:
    """Whether our side failed, so that the run is to be repeated."""
    return run.trouble is not None and run.trouble.fault == "infrastructure"


def _plan(
    submission: Submission,
    track: Track,
    texts: Texts,
    sandbox: Sandbox,
    seeds: tuple[int, ...] | None,
    *,
    bar: BarFacts | None,
) -> Verification:
    """Fix everything before the first run. The nonce is what makes the seeds nobody's choice."""
    nonce = secrets.token_hex(16)
    drawn = draw_seeds(
        submission_digest=submission.digest,
        track_digest=track.digest,
        nonce=nonce,
        count=track.significance.seeds,
    )
    return Verification(
        created_at=_now(),
        harness_version=__version__,
        harness_digest=harness_digest(),
        submission=submission.facts(),
        track=track,
        track_digest=track.digest,
        dataset=texts.dataset.facts(),
        tokenizer=texts.tokenizer,
        holdout=texts.holdout_facts(),
        bar=bar,
        machine=machine(needs_accelerators=track.hardware.accelerators > 0),
        sandbox=sandbox.prepare(),
        nonce=nonce,
        seeds=tuple(drawn) if seeds is None else seeds,
        seeds_drawn=seeds is None,
    )


def _check_texts(plan: Verification, texts: Texts, remedy: str) -> None:
    """The texts and tokens that a plan was made with are those at hand, and so are its figures."""
    if plan.dataset != texts.dataset.facts():
        raise InfrastructureError(
            f"the plan's figures of dataset {plan.dataset.name} are not those of the dataset "
            "at hand: somebody changed them",
            remedy=remedy,
        )
    if plan.tokenizer != texts.tokenizer or plan.holdout != texts.holdout_facts():
        raise InfrastructureError(
            "the tokenizer's dataset or the unpublished documents are not those that the "
            "verification was begun with",
            remedy=remedy,
        )


def _check_unchanged(plan: Verification, texts: Texts, sandbox: Sandbox) -> None:
    """A verification is finished with what it was begun with, or not at all."""
    facts = sandbox.prepare()
    for what, before, now in (
        ("harness", plan.harness_digest, harness_digest()),
        ("dataset", plan.dataset.digest, texts.dataset.digest),
        ("sandbox", plan.sandbox.kind, facts.kind),
        ("image", plan.sandbox.image_digest, facts.image_digest),
        ("runtime", plan.sandbox.runtime, facts.runtime),
        ("profile of system calls", plan.sandbox.seccomp_digest, facts.seccomp_digest),
    ):
        if before != now:
            raise InfrastructureError(
                f"--resume: the {what} is not the one that the verification was begun with "
                f"({before[:12]}, now {now[:12]})",
                remedy="start a new verification without --resume",
            )
    _check_texts(plan, texts, "start a new verification without --resume")


def disk_need_bytes(track: Track) -> int:
    """The most that a verification's artifacts and logs can take."""
    a_seed = track.sandbox.output_bytes + _LOGS_A_SEED * track.sandbox.log_bytes
    return track.significance.seeds * a_seed


def _check_disk(runs: Path, track: Track) -> None:
    need, free = disk_need_bytes(track), disk_free_bytes(runs)
    if free < need:
        raise InfrastructureError(
            f"{runs}: {free:,} bytes free, {need:,} may be needed for artifacts and logs",
            remedy="free some space, or name another directory with --runs",
        )


def _copy_sealed(source: Path, target: Path, run: SeedRun) -> None:
    """Copy a sealed artifact, refusing one that is not what was sealed."""
    content = b""
    if run.artifact is not None:
        with contextlib.suppress(OSError):
            content = read_inside(source.parent, source.name, limit_bytes=run.artifact.bytes)
    if run.artifact is None or sha256_of_bytes(content) != run.artifact.sha256:
        raise InfrastructureError(
            f"{source}: missing, or not what was sealed", remedy="run the verification again"
        )
    with disk_errors(target):
        target.write_bytes(content)
        target.chmod(0o644)


def harness_digest() -> str:
    """SHA-256 over the harness's own source files and tracks."""
    root = PACKAGE
    return digest_of_named(
        {
            str(path.relative_to(root)): path.read_bytes()
            for pattern in ("*.py", "*.toml")
            for path in root.rglob(pattern)
        }
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
