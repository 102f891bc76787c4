"""Sentences for people about a phase that ended badly."""

from harness.evidence.phase import PhaseFacts
from harness.safeio.text import plain
from harness.sandbox.protocol import Running


def ending(facts: PhaseFacts, running: Running) -> str:
    """How a phase ended, and the last line that it printed."""
    return with_last_line(
        facts.detail or f"{facts.label} ended with exit code {facts.exit_code}", running
    )


def with_last_line(reason: str, running: Running) -> str:
    """A reason, and the last line that the phase printed."""
    line = plain(running.last_line, 200)
    return f"{reason} (its log ends: {line})" if line else reason
