"""Where it was run and with what: machine, dataset, isolation, seeds."""

from collections.abc import Sequence

from harness.contest.track import Track
from harness.evidence.draws import draw_seeds
from harness.evidence.facts import PhaseFacts, SeedRun, Verification
from harness.judge.rules.clocks import phases_of
from harness.judge.verdict import Check
from harness.models import Status

# What the engine is asked back about a phase of either kind, and about training besides.
PROPERTIES = frozenset(
    (
        *("image", "network", "hostname", "user", "read-only root", "capabilities", "privileged"),
        *("no new privileges", "seccomp", "runtime", "processes", "memory", "memory and swap"),
        *("shared memory", "resource limits", "log driver", "restart", "process namespace"),
        *("ipc namespace", "host name namespace", "control group namespace", "user namespace"),
        *("devices", "scratch", "mounts", "environment"),
    )
)
PROPERTIES_OF_TRAINING = PROPERTIES | {"output"}


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
    """The engine, asked back, confirms every property of every sandbox."""
    if verification.sandbox.kind != "docker":
        return Check(
            id="isolation", status="unknown", detail="rehearsal: not isolated; needs Docker"
        )
    phases = phases_of(runs)
    broken = sorted({f.name for phase in phases for f in phase.isolation if not f.holds})
    unread = [phase.phase for phase in phases if not phase.isolation and phase.outcome != "lost"]
    unasked = sorted({name for phase in phases if phase.isolation for name in _unasked(phase)})
    proved = min((len(phase.isolation) for phase in phases if phase.isolation), default=0)
    if broken or unread or unasked or not proved:
        if broken:
            detail = f"the engine did not apply: {', '.join(broken)}"
        elif unasked:
            detail = f"the engine was not asked about: {', '.join(unasked)}"
        else:
            detail = "the engine was not asked what it applied"
        return Check(id="isolation", status="unknown", detail=detail)
    return Check(
        id="isolation",
        status="pass",
        measured=proved,
        limit=proved,
        unit="properties",
        detail="read back from the engine: no network, read-only root, no capabilities, "
        "own files and limits only",
    )


def _unasked(phase: PhaseFacts) -> frozenset[str]:
    """Properties of a phase's sandbox of which its evidence says nothing."""
    wanted = PROPERTIES_OF_TRAINING if phase.phase == "train" else PROPERTIES
    return wanted - {fact.name for fact in phase.isolation}


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
