"""Rules about where and with what the runs were made: hardware, dataset, isolation."""

from collections.abc import Iterable

from harness.evidence.escapes import KnownEscape, in_words, unvouched
from harness.evidence.host import HostFacts
from harness.evidence.isolation import phrase_of, required_in, required_of
from harness.evidence.phase import IsolationFact, PhaseFacts
from harness.evidence.steps import step_of
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status

_SHOWN = 5


def _hardware(case: Case) -> Finding:
    wanted = case.track.hardware
    if slow := _unlike(case):
        return Finding(id="hardware", status="unknown", detail=slow)
    if wanted.accelerators == 0:
        used = [host.machine for run in case.runs for host in run.hosts]
        machines = {machine.processor: machine.cores for machine in used}
        measured = "; ".join(f"{cores} cores, {name}" for name, cores in sorted(machines.items()))
        detail = "this track runs anywhere"
        return Finding(id="hardware", status="pass", measured=measured or None, detail=detail)
    hosts = [host for run in case.seeds for host in run.hosts]
    fitting = [_fitting(host, wanted.accelerator_name) for host in hosts]
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
    elif unseen := next((facts.missing for facts in telemetry if facts.missing), ""):
        detail = f"whether they were throttled or shared was not seen: {unseen}"
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


def _unlike(case: Case) -> str:
    """Which host was not as fast as the track's, or faster than it can be; empty where all were."""
    for seed, host in ((run.seed, host) for run in case.seeds for host in run.hosts):
        measured = host.calibration
        if phrases := case.track.hardware.unlike(measured.figures if measured else {}):
            where = f" on {host.node}" if host.node else ""
            return f"seed {seed}{where}: {'; '.join(phrases)}"
    return ""


def _fitting(host: HostFacts, name: str) -> int:
    return [accelerator.name for accelerator in host.machine.accelerators].count(name)


def _dataset(case: Case) -> Finding:
    found, wanted, other = case.dataset, case.track.dataset, case.plan.texts.entered
    problems = []
    if other and (other.validation_bytes, other.validation_documents) != (
        *(found.validation_bytes, found.validation_documents),
    ):
        problems.append(f"the text of {other.name} is another one")
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
        f"{found.validation_documents:,} documents, {found.validation_bytes:,} bytes of text"
        + (f"; scored in the tokens of {other.name}, the same text" if other else ""),
    )


def _isolation(case: Case) -> Finding:
    required = case.plan.required
    edition = required.isolation_edition
    whole = required_in(edition)
    if not required.isolated:
        return _proven(
            len(whole & set(required.isolation)),
            len(whole),
            f"rehearsal: not isolated; the {required.sandbox} sandbox does not prove it",
        )
    # A phase that was lost before it could be asked does not count against the others.
    phases = [phase for phase in case.phases if phase.isolation or phase.outcome != "lost"]
    if not phases:
        return _proven(0, len(whole), "no phase was begun that could prove anything")
    worst = max(phases, key=lambda phase: len(_unproven(phase, edition)))
    needed = len(required_of(output=worst.output, edition=edition))
    proven = needed - len(_unproven(worst, edition))
    here = _asked_here(case) or _refused(case)
    broken = {fact.id for phase in phases for fact in phase.isolation if not fact.holds}
    unproven = {id for phase in phases for id in _unproven(phase, edition)} - broken
    if broken:
        found = min((f for p in phases for f in p.isolation if not f.holds), key=_phrase)
        detail = f"not in force: {_phrases(broken)}; found: {found.actual or 'nothing'}"
    elif unproven:
        detail = f"not read back: {_phrases(unproven)}"
    elif here:
        detail = here
    else:
        detail = (
            "read back in every phase: no network, read-only root, no capabilities, "
            "own files and limits only"
            + (", nothing shared that tells" if edition else "")
            + ("; asked again on other machines" if case.plan.elsewhere else "")
            + _engines(case)
        )
    return _proven(proven, needed, detail, passes=not (broken or unproven or here))


def _asked_here(case: Case) -> str:
    """What was asked again where it was scored, against the plan; empty where nothing was."""
    for run in case.seeds if case.plan.elsewhere else ():
        for step in run.steps:
            scored = step_of(step.name).asks_again
            if scored is None or not step.phases:
                continue
            node = run.host_of(scored).node
            if run.host_of(step.name).node == node:
                where = f" ({node})" if node else ""
                return f"seed {run.seed}: {step.name}: asked again where it was scored{where}"
    return ""


def _refused(case: Case) -> str:
    """An escape that the plan refuses, on a host that made a run all the same; else empty."""
    found = unvouched(_escapes(case)) if case.plan.required.refuse_known_escapes else ()
    return f"a host has a known escape, which the plan refuses: {in_words(found)}" if found else ""


def _engines(case: Case) -> str:
    """What no property says of the engines that have proven them all; empty where all is well."""
    found = _escapes(case)
    if unvouched(found):
        return "; but by its version an engine has a known escape"
    return "; that its engine was repaired is the referee's word" if found else ""


def _escapes(case: Case) -> list[KnownEscape]:
    """Of every host, each once."""
    hosts = (host for run in case.runs for host in run.hosts)
    return list(dict.fromkeys(it for host in hosts for it in host.sandbox.known_escapes or ()))


def _proven(proven: int, needed: int, detail: str, *, passes: bool = False) -> Finding:
    return Finding(
        id="isolation",
        status="pass" if passes else "unknown",
        measured=proven,
        limit=needed,
        unit="properties",
        detail=detail,
    )


def _unproven(phase: PhaseFacts, edition: int | None) -> frozenset[str]:
    """The properties that a phase needs but its evidence does not prove."""
    held = {fact.id for fact in phase.isolation if fact.holds}
    held -= {fact.id for fact in phase.isolation if not fact.holds}
    return required_of(output=phase.output, edition=edition) - held


def _phrase(fact: IsolationFact) -> str:
    return phrase_of(fact.id)


def _phrases(ids: Iterable[str]) -> str:
    """The first of some properties in words, and how many more there are."""
    phrases = sorted(map(phrase_of, ids))
    more = f", and {len(phrases) - _SHOWN} more" if len(phrases) > _SHOWN else ""
    return "; ".join(phrases[:_SHOWN]) + more


HARDWARE = Rule(
    "hardware",
    "Every run was made on the track's hardware, not shared with other work and not throttled.",
    _hardware,
    better="higher",
    open_in_rehearsal=True,
)
DATASET = Rule(
    "dataset",
    "The track's own dataset was scored, and every file matches its manifest.",
    _dataset,
    open_in_rehearsal=True,
)
ISOLATION = Rule(
    "isolation",
    "Every sandbox had every property that isolation needs, read back after its start, and no host "
    "an escape that the plan refuses.",
    _isolation,
    open_in_rehearsal=True,
)
