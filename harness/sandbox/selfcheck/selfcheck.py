"""Proof that a sandbox is what it is said to be: the same probes in it and in a default one.

A trusted script runs as the only code of a train phase and tells what it can do; meanwhile the
phase is looked at from outside. Then the same script runs in the backend's control, which has its
defaults, where every property that one of our flags is answerable for must be missing: a probe that
passes there too proves nothing, unless there is a reason that is told.
"""

from collections.abc import Iterable, Sequence

from harness.evidence.phase import IsolationFact, PhaseFacts
from harness.sandbox.protocol import Job, Sandbox
from harness.sandbox.selfcheck.folder import probe_directory
from harness.sandbox.selfcheck.probes import (
    INSIDE,
    abstract_socket,
    flood_log,
    probe_job,
    told_by,
)
from harness.sandbox.selfcheck.proof import Proof, Seen, proof_of
from harness.sandbox.selfcheck.subject import Subject


def prove(subject: Subject) -> tuple[Proof, ...]:
    """Run the probes; takes some seconds.

    Raises:
        InfrastructureError: a probe container could not be run to its end.
    """
    with probe_directory(INSIDE) as folder, abstract_socket() as name:
        brief, job = (
            probe_job(subject.sandbox, folder, name, hidden=subject.hidden, briefly=briefly)
            for briefly in (True, False)
        )
        left = _left_in(subject.sandbox, brief)
        seen = _in_sandbox(subject, job)
        seen.told["left before"] = left
        left = _left_in(subject.default, brief)
        default = _by_default(subject, job)
        default.told["left before"] = left
        wanted = subject.expected(job, reported=seen.reported)
        return tuple(proof_of(item, seen, default) for item in wanted)


def _left_in(sandbox: Sandbox, brief: Job) -> list[str]:
    """What a phase that is over now has left, while it ran."""
    with sandbox.start(brief) as phase:
        told = told_by(phase, brief)
        phase.stop()
    return list(told["left"])


def _in_sandbox(subject: Subject, job: Job) -> Seen:
    """The probes as a train phase, and what is seen of it while it runs and after its end."""
    with subject.sandbox.start(job) as phase:
        told = told_by(phase, job)
        outside = subject.outside(phase, job)
        flood_log(phase)
        facts = phase.stop()
    outside["log_limit"] = _log(facts, job)
    outside |= _read_back(facts.isolation)
    outside["no_traces"] = subject.traces(phase)
    return Seen(told, outside, len(facts.isolation))


def _by_default(subject: Subject, job: Job) -> Seen:
    """The same probes in the control, which is not cleared away when it has ended."""
    with subject.default.start(job) as phase:
        told = told_by(phase, job)
        outside = subject.outside(phase, job)
        reported = subject.read_back(phase, job)
        phase.stop()
        outside["no_traces"] = subject.traces(phase)
    return Seen(told, outside | _read_back(reported), len(reported))


def _log(facts: PhaseFacts, job: Job) -> str:
    limit = job.limits.log_bytes
    held = facts.log_truncated and facts.log_bytes <= limit
    return f"cut at {limit:,}" if held else f"{facts.log_bytes:,} bytes were kept"


def _read_back(facts: Sequence[IsolationFact]) -> dict[str, str]:
    return {
        "system_call_profile": _reported(facts, "system_call_profile"),
        "read_back_whole": f"{sum(fact.holds for fact in facts)} properties of {len(facts)}",
    }


def _reported(facts: Iterable[IsolationFact], id: str) -> str:
    return next((fact.actual for fact in facts if fact.id == id), "not read back")
