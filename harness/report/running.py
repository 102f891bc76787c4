"""What a running verification says, in words."""

from dataclasses import dataclass, replace
from pathlib import Path

from harness.evidence.facts import SeedRun, Verification
from harness.report.figures import number
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT
from harness.safeio.text import plain

LINE_LIMIT = 500


@dataclass(frozen=True)
class RunningPhase:
    """One phase of one seed run; ``seed_index`` counts from 0."""

    seed_index: int
    seed_count: int
    seed: int
    name: str
    limit_seconds: float
    elapsed_seconds: float = 0.0
    last_line: str = ""
    targets_done: int = 0
    targets_total: int = 0
    tokens_per_second: float = 0.0

    def at(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int,
        targets_total: int,
        tokens_per_second: float,
    ) -> "RunningPhase":
        """The same phase, later; the line becomes plain text."""
        return replace(
            self,
            elapsed_seconds=elapsed_seconds,
            last_line=plain(last_line, LINE_LIMIT),
            targets_done=targets_done,
            targets_total=targets_total,
            tokens_per_second=tokens_per_second,
        )

    @property
    def title(self) -> str:
        """Such as ``seed 2 of 3 (1804289383): train``."""
        return (
            f"seed {self.seed_index + 1} of {self.seed_count} ({self.seed}): "
            f"{plain(self.name, NAME_LIMIT)}"
        )

    @property
    def clock(self) -> str:
        """Elapsed against the budget, in seconds."""
        return f"{self.elapsed_seconds:,.1f} of {number(self.limit_seconds)} s"

    @property
    def scored(self) -> str:
        """Targets done and the rate; empty while nothing has been scored."""
        if not self.targets_total:
            return ""
        share = 100 * self.targets_done / self.targets_total
        return (
            f"{self.targets_done:,} of {self.targets_total:,} targets ({share:.0f} %), "
            f"{self.tokens_per_second:,.0f} tokens/s"
        )


def opening(verification: Verification, directory: Path) -> list[str]:
    """What is about to run, where, and with which seeds: a title and some lines."""
    track, submission = verification.track, verification.submission
    seeds = ", ".join(str(seed) for seed in verification.seeds)
    isolated = "" if verification.sandbox.isolated else " (rehearsal: not isolated)"
    return [
        f"verifying {plain(submission.name, NAME_LIMIT)} "
        f"on track {track.name}, edition {plain(track.edition, NAME_LIMIT)}",
        f"sandbox {verification.sandbox.kind}{isolated}, "
        f"dataset {plain(verification.dataset.name, NAME_LIMIT)}",
        f"seeds {seeds} ({'drawn' if verification.seeds_drawn else 'chosen by hand'})",
        f"evidence in {plain(str(directory), PATH_LIMIT)}",
    ]


def closing(run: SeedRun) -> str:
    """What a seed run came to, on one line."""
    parts = [f"seed {run.seed}:"]
    if run.scoring is not None:
        parts.append(f"{number(run.scoring.val_bpb, 'BPB')} BPB")
    if run.artifact is not None:
        parts.append(f"artifact {run.artifact.bytes:,} bytes")
    for facts in (run.train, run.score):
        if facts is not None:
            parts.append(f"{facts.phase} {facts.wallclock_seconds:,.1f} s")
    if run.trouble is not None:
        reason = plain(run.trouble.reason, DETAIL_LIMIT)
        parts.append(f"no score, {run.trouble.phase} failed ({run.trouble.fault}): {reason}")
    return f"{parts[0]} {', '.join(parts[1:])}" if parts[1:] else f"{parts[0]} nothing measured"
