"""One verification as it is given to a command: a run directory, or a verdict's file."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.contest.track import Track
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.stored import judge_stored
from harness.judge.verdict import SeedResult, Verdict
from harness.judge.verdict_file import read_verdict


@dataclass(frozen=True)
class Given:
    """A verification: its verdict, and its evidence where that is at hand."""

    path: Path
    verdict: Verdict
    track: Track | None = None
    directory: RunDirectory | None = None
    runs: tuple[Run, ...] = field(default=())

    @classmethod
    def read(cls, path: Path) -> "Given":
        """Read a verdict's file, or judge the evidence of a run directory again.

        Raises:
            UsageError: neither of the two, or damaged.
            InfrastructureError: a file beside the evidence is not the one that it describes.
        """
        if not path.is_dir():
            return cls(path, read_verdict(path).verdict)
        directory = RunDirectory.open(path)
        verdict = judge_stored(directory)  # compares every kept file with the evidence, too
        return cls(path, verdict, directory.plan.track, directory, tuple(directory.runs()))

    @property
    def scored(self) -> list[tuple[SeedResult, float]]:
        """Seed runs with the score that counts."""
        return [(s, s.counted_bpb) for s in self.verdict.seeds if s.counted_bpb is not None]
