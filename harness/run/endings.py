"""What is recorded and reported about a phase or a step that failed."""

import re
from pathlib import Path

from harness.errors import HarnessError, InfrastructureError
from harness.evidence.phase import PhaseFacts
from harness.evidence.run import Failure, StepFacts
from harness.evidence.steps import Step
from harness.models import Finding
from harness.run.network import network_hint
from harness.safeio.files import disk_errors
from harness.safeio.text import plain
from harness.sandbox.protocol import ArtifactError, Running

_RAISED = re.compile(
    rb"^ *\d+\.\d{3} (?:\[rank\d+\]: *)?(?:[\w.]+\.)?"
    rb"((?!Child)\w*(?:Error|Exception|Interrupt)\b: .*)",
    re.M,
)


def ending(facts: PhaseFacts, running: Running) -> str:
    """Say how a phase ended, with its last line, and that there is no network if it wanted one."""
    said = with_last_line(
        facts.detail or f"{facts.label} ended with exit code {facts.exit_code}", facts
    )
    hint = network_hint(running.last_lines)
    return f"{said}; {hint}" if hint else said


def script_ending(log: Path, phase: PhaseFacts, running: Running) -> str:
    """How a script ended: by what it raised, where that is known."""
    if not (error := raised(log)):
        return ending(phase, running)
    hint = network_hint(running.last_lines)
    return f"{error}; {hint}" if hint else error


def raised(log: Path) -> str:
    """The last exception that a script's log names; empty where it names none.

    What starts the ranks of a script reports their end in many lines, so the log does not end with
    what was wrong.
    """
    with disk_errors(log):
        found = _RAISED.findall(log.read_bytes())
    return plain(found[-1].decode(errors="replace"), 300) if found else ""


def with_last_line(reason: str, facts: PhaseFacts) -> str:
    """A reason, followed by the line of the phase's log that says how it ended.

    It needs the facts of the phase, so the phase has ended and its log was read to the end.
    """
    return f"{reason} ({told})" if (told := end_of_log(facts)) else reason


def end_of_log(facts: PhaseFacts) -> str:
    """The line of a phase's log that says how it ended; of what was killed, with its time."""
    if facts.log_end is None or not (line := plain(facts.log_end.text, 200)):
        return ""
    if facts.outcome == "deadline":
        return f"the last line of its log, at {facts.log_end.seconds:.1f} s: {line}"
    return f"its log ends: {line}"


def with_failure(facts: StepFacts, rule: str, reason: str) -> StepFacts:
    """A step's facts, with what the submission did wrong, under the id of a rule."""
    finding = Finding(id=rule, status="fail", detail=reason)
    return facts.model_copy(update={"failure": Failure(fault="submission", finding=finding)})


def failure_of(step: Step, error: HarnessError) -> Failure:
    """An error as evidence: whose fault it is, and which rule it concerns."""
    ours = isinstance(error, InfrastructureError)
    # A training whose artifact cannot be sealed concerns another rule.
    rule = "artifact" if isinstance(error, ArtifactError) else step.finding
    finding = error.finding.model_copy(update={"id": rule, "status": "unknown" if ours else "fail"})
    return Failure(fault="infrastructure" if ours else "submission", finding=finding)
