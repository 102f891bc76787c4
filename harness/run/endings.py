"""What is kept and told of a phase, or of a step, that ended badly."""

from harness.errors import HarnessError, InfrastructureError
from harness.evidence.phase import PhaseFacts
from harness.evidence.run import Failure
from harness.evidence.steps import Step
from harness.safeio.text import plain
from harness.sandbox.protocol import ArtifactError, Running


def ending(facts: PhaseFacts, running: Running) -> str:
    """How a phase ended, and the last line that it printed."""
    return with_last_line(
        facts.detail or f"{facts.label} ended with exit code {facts.exit_code}", running
    )


def with_last_line(reason: str, running: Running) -> str:
    """A reason, and the last line that the phase printed."""
    line = plain(running.last_line, 200)
    return f"{reason} (its log ends: {line})" if line else reason


def failure_of(step: Step, error: HarnessError) -> Failure:
    """An error as evidence: whose fault it is, and the rule that it speaks to."""
    ours = isinstance(error, InfrastructureError)
    # A training whose artifact cannot be sealed speaks to another rule.
    rule = "artifact" if isinstance(error, ArtifactError) else step.finding
    finding = error.finding.model_copy(update={"id": rule, "status": "unknown" if ours else "fail"})
    return Failure(fault="infrastructure" if ours else "submission", finding=finding)
