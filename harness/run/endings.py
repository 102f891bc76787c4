"""What is recorded and reported about a phase or a step that failed."""

from harness.errors import HarnessError, InfrastructureError
from harness.evidence.phase import PhaseFacts
from harness.evidence.run import Failure
from harness.evidence.steps import Step
from harness.safeio.text import plain
from harness.sandbox.protocol import ArtifactError, Running


def ending(facts: PhaseFacts, running: Running) -> str:
    """Say how a phase ended, with the last line that it printed."""
    return with_last_line(
        facts.detail or f"{facts.label} ended with exit code {facts.exit_code}", running
    )


def with_last_line(reason: str, running: Running) -> str:
    """A reason, followed by the last line that the phase printed."""
    line = plain(running.last_line, 200)
    return f"{reason} (its log ends: {line})" if line else reason


def failure_of(step: Step, error: HarnessError) -> Failure:
    """An error as evidence: whose fault it is, and which rule it concerns."""
    ours = isinstance(error, InfrastructureError)
    # A training whose artifact cannot be sealed concerns another rule.
    rule = "artifact" if isinstance(error, ArtifactError) else step.finding
    finding = error.finding.model_copy(update={"id": rule, "status": "unknown" if ours else "fail"})
    return Failure(fault="infrastructure" if ours else "submission", finding=finding)
