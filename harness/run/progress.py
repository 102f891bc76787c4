"""What a verification reports while it runs; nothing of it is evidence."""

from pathlib import Path
from typing import Protocol

from harness.evidence.facts import SeedRun, Verification


class Progress(Protocol):
    """What the main job reports while it runs; :meth:`close` may be called more than once."""

    def started(self, verification: Verification, directory: Path) -> None:
        """All is fixed and the first seed run is about to begin."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line of its own."""
        ...

    def phase(
        self, seed_index: int, seed_count: int, seed: int, phase: str, limit_seconds: float
    ) -> None:
        """A phase begins; ``seed_index`` counts from 0."""
        ...

    def tick(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int = 0,
        targets_total: int = 0,
        tokens_per_second: float = 0.0,
    ) -> None:
        """The phase still runs."""
        ...

    def seed_done(self, run: SeedRun) -> None:
        """A seed run has ended and its evidence is written."""
        ...

    def close(self) -> None:
        """Nothing more will come; gives the terminal back."""
        ...


class SilentProgress:
    """Shows nothing."""

    def started(self, verification: Verification, directory: Path) -> None:
        """Shows nothing."""

    def note(self, text: str) -> None:
        """Shows nothing."""

    def phase(
        self, seed_index: int, seed_count: int, seed: int, phase: str, limit_seconds: float
    ) -> None:
        """Shows nothing."""

    def tick(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int = 0,
        targets_total: int = 0,
        tokens_per_second: float = 0.0,
    ) -> None:
        """Shows nothing."""

    def seed_done(self, run: SeedRun) -> None:
        """Shows nothing."""

    def close(self) -> None:
        """Does nothing."""
