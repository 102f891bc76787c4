"""A recipe's own loop: windows in, logits, log-softmax, sum, on one device, without the harness."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tests.accelerator.recipe import Recipe

BARE_TOKENS = 32_768
"""What upstream's sliding evaluation asks at once: 32 windows of 1,024."""

Logits = Callable[[torch.Tensor, int], torch.Tensor]


@dataclass(frozen=True)
class Windows:
    """Windows over a stream, as the harness cuts them; each field but the last is int64[W]."""

    starts: np.ndarray
    lengths: np.ndarray
    firsts: np.ndarray
    groups: np.ndarray
    targets: int

    @classmethod
    def over(cls, tokens: int, recipe: Recipe, *, sequence_length: int | None = None) -> "Windows":
        """All windows: every target 1..N-1 once, the tail included, none of two segments."""
        length = min(sequence_length or recipe.sequence_length, tokens - 1)
        targets = tokens - 1
        starts, lengths, firsts, groups = [], [], [], []
        segment = min(recipe.segment or targets, targets)
        for group, begin in enumerate(range(0, targets, segment)):
            end = min(begin + segment, targets)
            last = begin
            while last < end:
                step = length if last == 0 else recipe.stride
                scored = min(step, end - last)
                last += scored
                shown = min(last, length)
                starts.append(last - shown)
                lengths.append(shown)
                firsts.append(shown - scored)
                groups.append(group)
        columns = [np.array(part, np.int64) for part in (starts, lengths, firsts, groups)]
        return cls(columns[0], columns[1], columns[2], columns[3], targets)

    def batches(self, numbers: np.ndarray, at_once: int) -> Iterator[np.ndarray]:
        """Windows of one shape, so many tokens of them together."""
        shapes = self.lengths[numbers] * (self.lengths.max() + 1) + self.firsts[numbers]
        for shape in np.unique(shapes):
            group = numbers[shapes == shape]
            many = max(1, at_once // int(self.lengths[group[0]]))
            for begin in range(0, len(group), many):
                yield group[begin : begin + many]


@dataclass(frozen=True)
class Bare:
    """A model on a device, and a stream to ask it for."""

    model: Any
    tokens: torch.Tensor
    windows: Windows
    device: torch.device

    def shown(self, numbers: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Tokens int64[B, L], targets int64[B, L - first], and first, of windows of one shape."""
        windows = self.windows
        length, first = int(windows.lengths[numbers[0]]), int(windows.firsts[numbers[0]])
        places = torch.from_numpy(windows.starts[numbers])[:, None] + torch.arange(length + 1)
        chosen = self.tokens[places].to(self.device)
        return chosen[:, :-1], chosen[:, 1 + first :], first

    @torch.no_grad()
    def nats(self, numbers: np.ndarray, *, whole: bool, logits: Logits | None = None) -> Any:
        """float32[B, P] on the device; ``whole``: logits of all positions, as recipes ask."""
        tokens, targets, first = self.shown(numbers)
        answer = (logits or self.model)(tokens, 0 if whole else first).float()
        costs = -torch.log_softmax(answer, -1)
        costs = costs[:, first:] if whole else costs
        return costs.gather(-1, targets[..., None]).squeeze(-1)

    def total(
        self, *, at_once: int, whole: bool, most_windows: int | None = None
    ) -> tuple[float, int, float]:
        """Nats, targets and seconds of all windows; segments are observed in between."""
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        targets, groups = 0, self.windows.groups
        self.wait()
        began = time.perf_counter()
        for group in range(int(groups[-1]) + 1):
            numbers = np.flatnonzero(groups == group)
            if most_windows is not None and len(groups[groups < group]) >= most_windows:
                break
            numbers = numbers[:most_windows]
            for batch in self.windows.batches(numbers, at_once):
                nats = self.nats(batch, whole=whole)
                total += nats.double().sum()
                targets += nats.numel()
            if hasattr(self.model, "observe"):
                ends = self.windows.starts[numbers] + self.windows.lengths[numbers]
                observed = self.tokens[int(ends[0] - self._scored(numbers[0])) + 1 : ends[-1] + 1]
                self.model.observe(observed.to(self.device))
        self.wait()
        return float(total), targets, time.perf_counter() - began

    def _scored(self, number: int) -> int:
        return int(self.windows.lengths[number] - self.windows.firsts[number])

    def wait(self) -> None:
        """Until the device has done all that it was asked."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def bits_a_byte(nats: float, text_bytes: int) -> float:
    """As the harness reckons it."""
    return nats / math.log(2) / text_bytes
