"""What training and scoring came to, and what it weighs."""

from collections.abc import Sequence

from harness.contest.track import Track
from harness.evidence.facts import SeedRun, Verification
from harness.judge.verdict import Check, CheckId
from harness.models import Status


def check_training(runs: Sequence[SeedRun]) -> Check:
    """Every training ended by itself, with exit code 0."""
    done = sum(run.train is not None and run.train.outcome == "completed" for run in runs)
    return by_trouble("training", "train", runs, done, "every training ended by itself, code 0")


def check_artifact(runs: Sequence[SeedRun]) -> Check:
    """Every training left one regular file that could be sealed."""
    done = sum(run.artifact is not None for run in runs)
    return by_trouble("artifact", "seal", runs, done, "one regular file a run, hashed and sealed")


def check_scoring(runs: Sequence[SeedRun]) -> Check:
    """Every model answered every window with finite logits."""
    done = sum(run.scoring is not None for run in runs)
    return by_trouble("scoring", "score", runs, done, "every logit asked for came, and is finite")


def by_trouble(
    identity: CheckId, phase: str, runs: Sequence[SeedRun], done: int, good: str
) -> Check:
    """A check on a step that each seed run must have come through."""
    troubles = [(run.seed, run.trouble) for run in runs if run.trouble is not None]
    status: Status
    for seed, trouble in troubles:
        if trouble.phase == phase:
            status = "fail" if trouble.fault == "submission" else "unknown"
            detail = f"seed {seed}: {trouble.reason}"
            break
    else:
        complete = bool(runs) and done == len(runs)
        status = "pass" if complete else "unknown"
        detail = good if complete else "not reached"
    return Check(
        id=identity,
        status=status,
        measured=done,
        limit=len(runs),
        unit="seed runs",
        detail=detail,
    )


def counted_code_bytes(verification: Verification, track: Track) -> int:
    """Bytes of the submission's files, less those of a tokenizer that the track gives away."""
    own, code = verification.tokenizer, verification.submission.code_bytes
    given = own is not None and own.file != "" and not track.budget.tokenizer_counted
    return code - own.bytes if own is not None and given else code


def check_bytes(verification: Verification, track: Track, runs: Sequence[SeedRun]) -> Check:
    """Code and the largest artifact together fit under the cap."""
    code = counted_code_bytes(verification, track)
    sizes = [run.artifact.bytes + code for run in runs if run.artifact is not None]
    worst = max(sizes, default=None)
    status: Status
    if worst is not None and worst > track.budget.bytes:
        status, detail = "fail", f"{worst - track.budget.bytes:,} bytes over the cap"
    elif worst is None or len(sizes) < len(runs):
        status, detail = "unknown", "no artifact to weigh in every seed run"
    else:
        status, detail = "pass", f"largest artifact + {code:,} bytes of code"
    return Check(
        id="bytes",
        status=status,
        measured=worst,
        limit=track.budget.bytes,
        unit="bytes",
        detail=detail,
    )
