"""Where it was run and with what: hardware, dataset, isolation."""

from harness.evidence.phase import PhaseFacts
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status

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


def _hardware(case: Case) -> Finding:
    wanted = case.track.hardware
    if wanted.accelerators == 0:
        machines = {run.host.machine.processor: run.host.machine.cores for run in case.runs}
        measured = "; ".join(f"{cores} cores, {name}" for name, cores in sorted(machines.items()))
        detail = "this track runs anywhere"
        return Finding(id="hardware", status="pass", measured=measured or None, detail=detail)
    fitting = [_fitting(run, wanted.accelerator_name) for run in case.seeds]
    fewest = min(fitting, default=None)
    telemetry = [step.telemetry for run in case.runs for step in run.steps if step.telemetry]
    slowdowns = sorted({name for facts in telemetry for name in facts.slowdowns})
    status: Status = "unknown"
    if fewest is None:
        detail = "not reached"
    elif fewest < wanted.accelerators:
        detail = f"not run on {wanted.accelerators} x {wanted.accelerator_name}"
    elif slowdowns:
        detail = f"the accelerators slowed themselves down: {', '.join(slowdowns)}"
    elif any(facts.foreign_processes for facts in telemetry):
        detail = "another process used the accelerators during a run"
    else:
        status, detail = "pass", f"{wanted.accelerators} x {wanted.accelerator_name}"
    return Finding(
        id="hardware",
        status=status,
        measured=fewest,
        limit=wanted.accelerators,
        unit="accelerators",
        detail=detail,
    )


def _fitting(run: Run, name: str) -> int:
    return [accelerator.name for accelerator in run.host.machine.accelerators].count(name)


def _dataset(case: Case) -> Finding:
    found, wanted = case.dataset, case.track.dataset
    problems = []
    if found.name != wanted.name:
        problems.append(f"scored on {found.name}, the track is on {wanted.name}")
    for what, pinned, measured in (
        ("documents", wanted.validation_documents, found.validation_documents),
        ("tokens", wanted.validation_tokens, found.validation_tokens),
    ):
        if pinned is not None and pinned != measured:
            problems.append(f"the validation split holds {measured:,} {what}, not {pinned:,}")
    return Finding(
        id="dataset",
        status="unknown" if problems else "pass",
        measured=found.validation_tokens,
        limit=wanted.validation_tokens,
        unit="tokens",
        detail="; ".join(problems)
        or f"{found.name}: every file matches its manifest, "
        f"{found.validation_documents:,} documents, {found.validation_bytes:,} bytes of text",
    )


def _isolation(case: Case) -> Finding:
    if case.plan.required.sandbox != "docker":
        return Finding(
            id="isolation", status="unknown", detail="rehearsal: not isolated; needs Docker"
        )
    broken = sorted({f.name for phase in case.phases for f in phase.isolation if not f.holds})
    unread = [p.phase for p in case.phases if not p.isolation and p.outcome != "lost"]
    unasked = sorted({name for phase in case.phases if phase.isolation for name in _unasked(phase)})
    proved = min((len(phase.isolation) for phase in case.phases if phase.isolation), default=0)
    if broken or unread or unasked or not proved:
        if broken:
            detail = f"the engine did not apply: {', '.join(broken)}"
        elif unasked:
            detail = f"the engine was not asked about: {', '.join(unasked)}"
        else:
            detail = "the engine was not asked what it applied"
        return Finding(id="isolation", status="unknown", detail=detail)
    return Finding(
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


HARDWARE = Rule(
    "hardware",
    "Every run was made on the hardware of the track, which was left alone and not throttled.",
    _hardware,
    better="higher",
    open_in_rehearsal=True,
)
DATASET = Rule(
    "dataset",
    "What was scored is the dataset that the track names, every file as its manifest says.",
    _dataset,
    open_in_rehearsal=True,
)
ISOLATION = Rule(
    "isolation",
    "Every sandbox had every property that isolation needs, as asked back after its start.",
    _isolation,
    open_in_rehearsal=True,
)
