"""The answers that were scored, kept for comparison, and how later ones differed."""

import math
import threading
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from harness.evidence.asked_again import Changes

# Stands for a change of a probability that became zero, or was.
LARGEST_NATS = 1e3
# Probabilities below this are ignored: there rounding alone moves a logarithm.
SMALLEST_PROBABILITY = 1e-4


@dataclass
class FirstAnswers:
    """What each target cost when it was scored, and more of those that were drawn.

    ``nats`` float32[N] by stream index; NaN where nothing was scored. ``distributions`` holds
    float32[V], all log-probabilities for a target, by its stream index.
    """

    nats: npt.NDArray[np.float32]
    distributions: dict[int, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of_stream(cls, tokens: int) -> "FirstAnswers":
        """None yet, of a stream of so many tokens."""
        return cls(np.full(tokens, np.nan, np.float32))


class Differences:
    """Sums what changed, from several threads."""

    def __init__(self) -> None:
        self._changes: list[float] = []
        self._likelihoods: list[float] = []
        self._largest = 0.0
        self._worst_target = -1
        self._lock = threading.Lock()

    @classmethod
    def of(cls, changes: list[float], *, largest: float, worst_target: int) -> "Differences":
        """Changes of targets that were drawn uniformly, as they were summed before."""
        found = cls()
        found._changes, found._likelihoods = changes, [1.0] * len(changes)
        found._largest, found._worst_target = largest, worst_target
        return found

    @property
    def changes(self) -> tuple[float, ...]:
        """Each question's change, in the order of the answers."""
        return tuple(self._changes)

    def add(self, change: float, *, largest: float, target: int, likelihood: float = 1.0) -> None:
        """One question's change; ``largest`` of all it compared, at stream index ``target``.

        ``likelihood``: how much likelier than uniformly it was drawn.
        """
        largest = min(abs(largest), LARGEST_NATS)
        with self._lock:
            self._changes.append(min(max(change, -LARGEST_NATS), LARGEST_NATS))
            self._likelihoods.append(likelihood)
            if largest > self._largest or self._worst_target < 0:
                self._largest, self._worst_target = largest, target

    @property
    def largest(self) -> float:
        """The largest change of anything that was compared."""
        return self._largest

    @property
    def worst_target(self) -> int:
        """Where that was; -1 where nothing was compared."""
        return self._worst_target

    @property
    def mean_size(self) -> float:
        """The mean change of all targets, whatever its sign."""
        if not self._changes:
            return 0.0
        return float((np.abs(self._changes) / np.array(self._likelihoods)).mean())

    def facts(self) -> Changes:
        """All of it as evidence."""
        changes = np.array(self._changes, np.float64)
        if not len(changes):
            return Changes(count=0)
        likelihoods = np.array(self._likelihoods, np.float64)
        corrected = changes / likelihoods
        around = (changes - corrected.mean()) ** 2 / likelihoods
        equal = bool((likelihoods == 1).all())
        return Changes(
            count=len(changes),
            mean_nats=float(corrected.mean()),
            sd_nats=float(corrected.std()),
            variance_error=float(around.std() / math.sqrt(len(changes))),
            largest_nats=float(np.abs(changes).max()),
            sd_of_all_nats=None if equal else float(math.sqrt(around.mean())),
        )


def at_cut(before: torch.Tensor, after: torch.Tensor) -> float:
    """The largest change of a likely token's log-probability; both float32[V].

    The whole distribution is compared, because a leak may hide in any token.
    """
    likely = torch.maximum(before, after) >= math.log(SMALLEST_PROBABILITY)
    if not bool(likely.any()):  # in a large vocabulary a flat answer has no likely token at all
        return 0.0
    return float((after - before)[likely].abs().max())
