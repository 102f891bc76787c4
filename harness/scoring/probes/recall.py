"""Memory, declared or absent: whole windows are asked again, in another order.

A model that declares no memory may depend on its window alone. So windows are drawn, and a fresh
sandbox of its own is asked for them once more, unchanged, in a drawn order and among others than
while scoring. What came before a window is then something else, and an answer that made use of it
differs. This says nothing of looking ahead, since the windows are shown whole; so what this sandbox
is shown does no harm, because no sandbox after it is asked for a target again.

Where documents are streams, the windows are pieces of documents. Each is asked in its place: what
lies before it in its document is told first, and nothing else of what was told while scoring. A
model that studies documents declares that it remembers; any other must answer the same, whatever
other documents it was shown.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch

from harness.evidence.asked_again import Recall
from harness.evidence.pace import PaceAgain
from harness.scoring.probes.answers import Differences, FirstAnswers
from harness.scoring.probes.drawing import Questionnaire, Questions
from harness.scoring.probes.walks.documents import DocumentWalk
from harness.scoring.schedules.asking import Ask, Indices, Schedule, SharedTurns, Supplied
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.documents import DocumentPlan
from harness.scoring.schedules.plan import Room


@dataclass
class RecallSet:
    """Windows int64[K] in the order in which they are asked again, and how answers differed."""

    plan: WindowPlan | DocumentPlan
    windows: Indices
    first: FirstAnswers
    _differences: Differences = field(default_factory=Differences)

    @classmethod
    def draw(
        cls, plan: WindowPlan | DocumentPlan, first: FirstAnswers, *, secret: bytes, count: int
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

    def schedule(self, *, room: Room, lanes: int) -> Schedule:
        """All of them: windows of one stream in one turn, pieces when their document is there."""
        if isinstance(self.plan, DocumentPlan):
            return self._replay(self.plan, room=room, lanes=lanes)
        asks = (ask for ask, _ in self.plan.placed(self.windows, room=room))
        return SharedTurns(iter([Supplied(asks)]))

    def _replay(self, plan: DocumentPlan, *, room: Room, lanes: int) -> Schedule:
        documents, first = np.unique(plan.documents[self.windows], return_index=True)
        nothing = np.zeros_like(self.windows)
        of_each = plan.documents[self.windows]
        questions = Questions(self.windows, nothing, nothing, of_each, nothing)
        walk = DocumentWalk(plan, order=documents[np.argsort(first)])
        asked = Questionnaire(questions, planned=0, text=plan.elsewhere.text)
        return walk.schedule(asked, room=room, lanes=lanes)

    def cuts(self, ask: Ask) -> Indices:
        """int64[B]: the first asked position of each; its distribution is of no interest."""
        return ask.firsts

    def compare(self, ask: Ask, nats: torch.Tensor, distributions: torch.Tensor) -> None:
        """Compare second answers with first: float32[B, P] nats of whole windows."""
        before, targets = torch.from_numpy(self.first.nats[ask.targets]), ask.targets
        changes = torch.where(torch.from_numpy(ask.wanted), (nats - before).double(), 0.0)
        each = self.plan.divisors(ask.counts)
        for row, of_window in enumerate(changes):
            worst = int(of_window.abs().argmax())
            self._differences.add(
                float(of_window.sum()) / float(each[row]),
                largest=float(of_window[worst]),
                target=int(targets[row, worst]),
            )

    def facts(
        self,
        *,
        segments_observed: int,
        seconds: float,
        expected_seconds: float | None = None,
        pace: PaceAgain | None = None,
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
            pace=pace,
        )
