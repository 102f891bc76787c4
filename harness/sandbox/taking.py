"""Taking files out of a phase's output directory: while it is held still, or after its end."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from harness.errors import InfrastructureError
from harness.evidence.phase import EarlySealFacts, Outcome
from harness.evidence.results import ArtifactFacts
from harness.sandbox.early import EarlySealing, NotTaken, Stillness
from harness.sandbox.protocol import ArtifactError, EarlySeal, Job, require_plain_path
from harness.sandbox.sealing import AbsentError, copy_hashed, digest_of

_AWAITED_SECONDS = 300.0


class Taking(ABC):
    """What a phase does for its files to be taken; how it is held and read is the sandbox's.

    Args:
        job: what runs.
        reads: see :class:`harness.sandbox.early.EarlySealing`; for a job with ``early``.
    """

    def __init__(self, job: Job, reads: Iterable[int]) -> None:
        self.job = job
        self.stillness = Stillness()
        self._early = EarlySealing(job.early, reads) if job.early is not None else None
        self._early_thread: threading.Thread | None = None
        self._failed: InfrastructureError | None = None
        # Who kills and who holds exclude each other: what is killed meanwhile would run first.
        self._changing = threading.Lock()

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether it has ended, or is being killed."""

    @property
    @abstractmethod
    def has_ended(self) -> bool:
        """Whether its end was seen."""

    @property
    @abstractmethod
    def counts_from(self) -> float:
        """Its start by the engine's clock, on our monotonic clock in seconds."""

    @abstractmethod
    def lose(self, error: InfrastructureError) -> None:
        """Nothing can be said of it any more, because of what ``error`` says."""

    @abstractmethod
    def hold(self) -> bool:
        """Hold it still: when this returns nothing of it runs. False when it has ended by itself.

        Raises:
            ArtifactError: it cannot be held, and that is its own doing.
            InfrastructureError: it cannot be held.
        """

    @abstractmethod
    def release(self) -> None:
        """Let it go on; nothing where it has ended by itself, as by a signal that was pending.

        Raises:
            InfrastructureError: that cannot be done, or somebody else has done it.
        """

    @abstractmethod
    def opened(
        self, name: str, *, limit_bytes: int
    ) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """Size and content of a file in the output directory; no link is followed.

        Raises:
            ArtifactError: absent, empty, not a regular file, or larger than ``limit_bytes``.
            InfrastructureError: the engine failed.
        """

    def copy_out(
        self,
        name: str,
        destination: Path,
        *,
        limit_bytes: int,
        on_copied: Callable[[], None] = lambda: None,
    ) -> ArtifactFacts:
        """Copy a file, hashing it on the way; ``on_copied`` is called when its last byte was read.

        Raises:
            ArtifactError, InfrastructureError: as by :meth:`opened`, and if our disk failed.
        """
        require_plain_path(name)
        with self.opened(name, limit_bytes=limit_bytes) as (size, chunks):
            return copy_hashed(chunks, destination, name=name, size_bytes=size, on_copied=on_copied)

    def seal_now(self, name: str, destination: Path, *, limit_bytes: int) -> ArtifactFacts:
        """The same once the phase has ended in time."""
        return self.copy_out(name, destination, limit_bytes=limit_bytes)

    def too_late(self, name: str) -> ArtifactError:
        """The error for an artifact of a phase that was killed at its limit."""
        return ArtifactError(
            f"artifact {name}: {self.job.label} was killed at its limit, so what it left does not "
            "count"
        )

    def start_taking(self) -> None:
        """Start the threads that see reads and take the artifact, where it is to be taken early."""
        if self._early is not None:
            threading.Thread(target=self._early.watch_reads, daemon=True).start()
            self._early_thread = threading.Thread(target=self._take, daemon=True)
            self._early_thread.start()

    def nothing_to_take(self) -> None:
        """The phase has ended: what was not taken is taken after its end."""
        if self._early is not None:
            self._early.phase_ended()

    def await_taking(self) -> None:
        """Wait until what is being taken at the phase's end is taken.

        Raises:
            InfrastructureError: it takes too long, or failed.
        """
        if self._early_thread is not None:
            self._early_thread.join(_AWAITED_SECONDS)
            if self._early_thread.is_alive():
                raise InfrastructureError(f"the artifact of {self.job.label} is not being taken")
        if self._failed is not None:
            raise self._failed

    def _take(self) -> None:
        if self._early is None:
            return
        try:
            self._early.run(self, self.stillness)
        except Exception as error:  # noqa: BLE001 - a mistake of ours is not "nothing was read"
            if not isinstance(error, InfrastructureError):
                error = InfrastructureError(f"the artifact was not taken: {error!r}")
            self._failed = error
            self.lose(error)

    def take(self, early: EarlySeal) -> tuple[float, ArtifactFacts] | None:
        """See :class:`harness.sandbox.early.Takes`."""
        with self._changing:
            if self.is_over:
                return None
            try:
                if not self.hold():
                    return None
            except ArtifactError as error:
                raise NotTaken(time.monotonic(), error) from error
            moment = time.monotonic()
            self.stillness.begins()
            held = True

            def go_on() -> None:
                nonlocal held
                if held:
                    held = False
                    self.stillness.ends()
                    self.release()

            try:
                taken = self.copy_out(
                    early.name, early.destination, limit_bytes=early.limit_bytes, on_copied=go_on
                )
            except ArtifactError as error:
                raise NotTaken(moment, error) from error
            finally:
                go_on()
            return moment, taken

    def compared(self, taken: ArtifactFacts) -> Literal["same", "changed", "gone"]:
        """What a file that was taken is now; at most its former size is read.

        Raises:
            InfrastructureError: the engine failed.
        """
        try:
            with self.opened(taken.name, limit_bytes=taken.bytes) as (size, chunks):
                same = size == taken.bytes and digest_of(chunks) == taken.sha256
        except AbsentError:
            return "gone"
        except ArtifactError:
            return "changed"
        return "same" if same else "changed"

    def taken(self, outcome: Outcome, *, seconds: float, ended_at: float) -> EarlySealFacts | None:
        """What was taken early, looked at again; or what is there now that the phase has ended.

        Args:
            outcome: how it ended.
            seconds: how long it ran, by the engine's clock.
            ended_at: when, on our monotonic clock.

        Raises:
            InfrastructureError: the engine or our disk failed.
        """
        if self._early is None:
            return None
        frozen, wanted, artifact = (
            self.stillness.seconds(ended_at),
            self._early.early,
            self._early.artifact,
        )
        at_end = self.compared(artifact) if artifact is not None else None
        in_time = not self._early.is_final and outcome != "deadline"
        if self._early.is_decided and not (in_time and at_end == "changed"):
            return self._early.facts(
                counts_from=self.counts_from,
                stillness=self.stillness,
                frozen_seconds=frozen,
                at_end=at_end,
            )
        sealed: ArtifactFacts | ArtifactError
        try:
            if outcome == "deadline":
                raise self.too_late(wanted.name)
            sealed = self.seal_now(wanted.name, wanted.destination, limit_bytes=wanted.limit_bytes)
        except ArtifactError as error:
            sealed = error
        return self._early.facts_of_end(seconds=seconds, frozen_seconds=frozen, sealed=sealed)
