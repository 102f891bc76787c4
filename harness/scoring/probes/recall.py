"""Memory, declared or absent: whole windows are asked again, in another order.

A model that declares no memory may depend on its window alone. So windows are drawn, and a fresh
sandbox of its own is asked for them once more, unchanged, in a drawn order and among others than
while scoring. What came before a window is then something else, and an answer that made use of it
differs. This says nothing of looking ahead, since the windows are shown whole; so what this sandbox
is shown does no harm, because no sandbox after it is asked for a target again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from harness.evidence.asked_again import Recall
from harness.scoring.probes.answers import Differences, FirstAnswers
from harness.scoring.windows import Asked, Request, Round, WindowPlan


@dataclass
class RecallSet:
    """Windows int64[K] in the order in which they are asked again, and how answers differed."""

    plan: WindowPlan
    windows: npt.NDArray[np.int64]
    first: FirstAnswers
    _differences: Differences = field(default_factory=Differences)

    @classmethod
    def draw(
        cls, plan: WindowPlan, first: FirstAnswers, *, secret: bytes, count: int
    ) -> "RecallSet":
        """Choose ``count`` windows and their order; ``secret`` is known to the harness alone."""
        seed = int.from_bytes(hashlib.sha256(b"recall\0" + secret).digest(), "big")
        drawn = np.random.default_rng(seed).choice(len(plan), count, replace=False)
        return cls(plan, drawn.astype(np.int64), first)

    @property
    def planned(self) -> int:
        """Windows that are asked again."""
        return len(self.windows)

    @property
    def asked(self) -> int:
        """All questions."""
        return self.planned

    def rounds(
        self, stream: npt.NDArray[np.uint16], *, windows_at_once: int, workers: int = 1
    ) -> Iterator[Round]:
        """All of them in one round; windows of unequal shape cannot share a request."""

        def requests() -> Iterator[Request]:
            for request, places in self.plan.placed(self.windows, windows_at_once=windows_at_once):
                yield request.asking(Asked.unchanged(places, length=request.length))

        yield Round(requests(), None)

    def cuts(self, request: Request) -> npt.NDArray[np.int64]:
        """int64[B]: the last position of each window; its distribution is of no interest."""
        return np.full(len(request.windows), request.length - 1, np.int64)

    def compare(self, request: Request, nats: torch.Tensor, distributions: torch.Tensor) -> None:
        """Compare second answers with first: float32[B, P] nats of whole windows."""
        before = torch.from_numpy(self.first.nats[request.targets])
        changes = (nats - before).double()
        for row, of_window in enumerate(changes):
            worst = int(of_window.abs().argmax())
            self._differences.add(
                float(of_window.mean()),
                largest=float(of_window[worst]),
                target=int(request.targets[row, worst]),
            )

    def facts(
        self, *, segments_observed: int, seconds: float, expected_seconds: float | None = None
    ) -> Recall:
        """What they showed, of as many as were answered."""
        changes = self._differences.facts()
        return Recall(
            windows=changes.count,
            of_windows=len(self.plan),
            changes=changes,
            largest_change_nats=self._differences.largest,
            worst_target=self._differences.worst_target,
            planned=self.planned,
            seconds=seconds,
            expected_seconds=expected_seconds,
        )
