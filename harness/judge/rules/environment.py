"""Where it was run and with what: machine, dataset, isolation, seeds."""

from collections.abc import Iterable, Sequence

from harness.contest.track import Track
from harness.evidence.draws import draw_seeds
from harness.evidence.facts import PhaseFacts, SeedRun, Verification
from harness.evidence.isolation import REQUIRED, phrase_of, required_of
from harness.judge.rules.clocks import phases_of
from harness.judge.verdict import Check
from harness.models import Status

_SHOWN = 5


def check_hardware(verification: Verification, track: Track, runs: Sequence[SeedRun]) -> Check:
    """The machine is the one that the track asks for, and was left alone."""
    wanted = track.hardware
    slowdowns = sorted({name for run in runs for name in run.throttle.slowdowns})
    if wanted.accelerators == 0:
        measured = f"{verification.machine.cores} cores, {verification.machine.processor}"
        return Check(
            id="hardware", status="pass", measured=measured, detail="this track runs anywhere"
        )
    names = [accelerator.name for accelerator in verification.machine.accelerators]
    fitting = names.count(wanted.accelerator_name)
    status: Status = "unknown"
    if fitting < wanted.accelerators:
        detail = f"not run on {wanted.accelerators} x {wanted.accelerator_name}"
    elif slowdowns:
        detail = f"the accelerators slowed themselves down: {', '.join(slowdowns)}"
    elif any(run.throttle.foreign_processes for run in runs):
        detail = "another process used the accelerators during a run"
    else:
        status, detail = "pass", f"{wanted.accelerators} x {wanted.accelerator_name}"
    return Check(
        id="hardware",
        status=status,
        measured=fitting,
        limit=wanted.accelerators,
        unit="accelerators",
        detail=detail,
    )


def check_dataset(verification: Verification, track: Track) -> Check:
    """What was scored on is what the track names."""
    found, wanted = verification.dataset, track.dataset
    problems = []
    if found.name != wanted.name:
        problems.append(f"scored on {found.name}, the track is on {wanted.name}")
    for what, pinned, measured in (
        ("documents", wanted.validation_documents, found.validation_documents),
        ("tokens", wanted.validation_tokens, found.validation_tokens),
    ):
        if pinned is not None and pinned != measured:
            problems.append(f"the validation split holds {measured:,} {what}, not {pinned:,}")
    return Check(
        id="dataset",
        status="unknown" if problems else "pass",
        measured=found.validation_tokens,
        limit=wanted.validation_tokens,
        unit="tokens",
        detail="; ".join(problems)
        or f"{found.name}: every file matches its manifest, "
        f"{found.validation_documents:,} documents, {found.validation_bytes:,} bytes of text",
    )


def check_isolation(verification: Verification, runs: Sequence[SeedRun]) -> Check:
    """Every phase proves every property that its kind of phase needs."""
    sandbox = verification.sandbox
    if not sandbox.isolated:
        stated = REQUIRED & set(sandbox.proves)
        return _isolation(
            len(stated),
            len(REQUIRED),
            f"rehearsal: not isolated; the {sandbox.kind} sandbox does not prove it",
        )
    # One that was lost before it could be asked is no phase that ran otherwise.
    phases = [phase for phase in phases_of(runs) if phase.isolation or phase.outcome != "lost"]
    if not phases:
        return _isolation(0, len(REQUIRED), "no phase was begun that could prove anything")
    worst = max(phases, key=lambda phase: len(_unproven(phase)))
    needed = len(required_of(worst.phase))
    proven = needed - len(_unproven(worst))
    broken = {fact.id for phase in phases for fact in phase.isolation if not fact.holds}
    unproven = {id for phase in phases for id in _unproven(phase)} - broken
    if broken:
        detail = f"not in force: {_phrases(broken)}"
    elif unproven:
        detail = f"not read back: {_phrases(unproven)}"
    else:
        detail = "read back in every phase: no network, read-only root, no capabilities, "
        detail += "own files and limits only"
    return _isolation(proven, needed, detail, passes=not broken and not unproven)


def _isolation(proven: int, needed: int, detail: str, *, passes: bool = False) -> Check:
    return Check(
        id="isolation",
        status="pass" if passes else "unknown",
        measured=proven,
        limit=needed,
        unit="properties",
        detail=detail,
    )


def _unproven(phase: PhaseFacts) -> frozenset[str]:
    """What a phase needs and its evidence does not prove."""
    broken = {fact.id for fact in phase.isolation if not fact.holds}
    return required_of(phase.phase) - ({fact.id for fact in phase.isolation} - broken)


def _phrases(ids: Iterable[str]) -> str:
    """The first of some properties in words, and how many more there are."""
    phrases = sorted(map(phrase_of, ids))
    more = f", and {len(phrases) - _SHOWN} more" if len(phrases) > _SHOWN else ""
    return "; ".join(phrases[:_SHOWN]) + more


def check_seeds(verification: Verification, track: Track, runs: Sequence[SeedRun]) -> Check:
    """Every seed was drawn, and every one was run."""
    drawn = draw_seeds(
        submission_digest=verification.submission.digest,
        track_digest=verification.track_digest,
        nonce=verification.nonce,
        count=len(verification.seeds),
    )
    wanted = track.significance.seeds
    problems = []
    if not verification.seeds_drawn or tuple(drawn) != verification.seeds:
        problems.append("seeds were given by hand, not drawn")
    if len(verification.seeds) != wanted:
        problems.append(f"{len(verification.seeds)} seeds, the track asks for {wanted}")
    if tuple(run.seed for run in runs) != verification.seeds:
        problems.append(f"{len(runs)} of {len(verification.seeds)} seeds were run")
    return Check(
        id="seeds",
        status="unknown" if problems else "pass",
        measured=len(runs),
        limit=wanted,
        unit="seed runs",
        detail="; ".join(problems) or "drawn from the digests and a nonce; every run counts",
    )
