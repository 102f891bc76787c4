"""Schedules that are played without a model: what is asked and told, and what that costs us."""

import time
from dataclasses import dataclass, replace

import numpy as np

from harness.scoring.schedules.asking import Indices, ObserveRows, Schedule
from harness.scoring.schedules.dealing import drawn_order
from harness.scoring.schedules.documents import DocumentPlan, Elsewhere
from harness.scoring.schedules.plan import Room
from harness.scoring.worker_pool import TOKENS_AT_ONCE_GPU

LANES = 8
ADVISED_ROWS = 16
VOCABULARY = 8_192
SEGMENT, CONTEXT = 64, 2_048


def plan_of(
    lengths: Indices,
    *,
    rows: int,
    order: Indices | None = None,
    segment: int = SEGMENT,
    context: int = CONTEXT,
    windows: type[DocumentPlan] = DocumentPlan,
    study_after: tuple[int, ...] = (),
) -> DocumentPlan:
    """A plan for documents int64[D] of so many tokens, dealt in an order int64[D], or as it is."""
    ends = np.cumsum(lengths)
    return windows(
        tokens=int(ends[-1]),
        opened=ends - lengths,
        sequence_length=context,
        segment=segment,
        rows=rows,
        order=np.arange(len(lengths)) if order is None else order,
        elsewhere=Elsewhere(np.zeros(1 << 10, np.uint16), 0),
        study_after=study_after,
    )


def any_order(documents: int, seed: int, *, last: int | None = None) -> Indices:
    """A permutation int64[D]; ``last``: this document comes at its end."""
    order = np.random.default_rng([1, seed]).permutation(documents).astype(np.int64)
    return order if last is None else np.append(order[order != last], last)


def taken(plan: DocumentPlan, seed: int = 0) -> DocumentPlan:
    """The same in the order that a verification takes, of those that it draws."""
    rng = np.random.default_rng([2, seed])
    return replace(plan, order=drawn_order(rng, plan.pieces, places=LANES * plan.rows))


@dataclass
class Asked:
    """What a schedule asks and tells, in all lanes together.

    ``shown``: tokens in all windows; ``needed``: those of them that are the split's own.
    ``lane_steps``: turns in which something was asked.
    """

    requests: int = 0
    windows: int = 0
    shown: int = 0
    needed: int = 0
    observed: int = 0
    lane_steps: int = 0
    seconds: float = 0.0

    @property
    def padding(self) -> float:
        """Tokens that windows hold, for each that the split's own text takes in them."""
        return self.shown / self.needed


def played(schedule: Schedule, *, lanes: int = LANES) -> Asked:
    """Play a schedule without anybody who answers; ``seconds`` are of a core of ours."""
    found = Asked()
    began = time.thread_time()
    for lane in range(lanes):
        for turn in schedule.turns(lane):
            before = found.requests
            for ask in turn.asks:
                found.requests += 1
                found.windows += len(ask.windows)
                found.shown += len(ask.windows) * ask.length
                found.needed += int(ask.shown.sum())
            found.lane_steps += found.requests > before
            for told in turn.tells:
                if isinstance(told, ObserveRows):
                    found.observed += len(told.rows)
    found.seconds = time.thread_time() - began
    return found


def room(vocabulary: int = VOCABULARY) -> Room:
    """What goes into one request to an accelerator."""
    return Room(TOKENS_AT_ONCE_GPU, vocabulary)
