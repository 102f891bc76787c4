"""A sandbox that says it isolates: what is said of one that does can be tried without an engine."""

from harness.evidence.host import SandboxFacts
from harness.evidence.isolation import REQUIRED, required_of
from harness.evidence.phase import IsolationFact
from harness.sandbox.process.phase import ProcessPhase
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.protocol import Job


class Jail(ProcessSandbox):
    """Not a jail: it runs phases as a rehearsal does, and says that it isolates."""

    def prepare(self) -> SandboxFacts:
        """What it says of itself."""
        super().prepare()
        return SandboxFacts(kind="jail", proves=tuple(sorted(REQUIRED)))

    def start(self, job: Job) -> ProcessPhase:
        """A phase in which all was read back as it should be."""
        phase = super().start(job)
        facts = tuple(
            IsolationFact(id=id, expected="yes", actual="yes")
            for id in sorted(required_of(output=job.output))
        )
        phase.isolation = lambda: facts  # type: ignore[method-assign]
        return phase
