"""Causality, tested: some targets are asked again, elsewhere, with another text after them.

Logits at a position may depend on the tokens up to it, in the same window, and on nothing else
(an adaptive model's also on what it observed). So secret targets are drawn, and after the whole
split is scored, a fresh sandbox is asked for them again: each in its window, with text from the
train shards after the target's position, the cut. The answers must agree.

What the fresh sandbox knows when it must answer for a target: everything that any sandbox was ever
shown, but for what it could bring along from an earlier one (nothing flows but the artifact); all
that this sandbox was shown; which phase it is in; and, since the seam is plain to see, which target
is asked. What it does not know is that target, nor anything after it in the stream:

- Behind the cut stands other text, drawn in secret, that is not validation text.
- What it was asked before lies before the target, or in other sections of the stream
  (:mod:`harness.scoring.probes.sections`): no window shows a target before its answer is in.
- Windows that are asked unchanged, among the others, lie wholly before the target that is asked
  next in their section.
- An adaptive model is shown what it observed while scoring, in the same order, and between two
  segments the targets of the later one, by the same rule.

So an answer that looked ahead cannot be repeated: it would have to hold what only the first sandbox
was shown. Nor can it be made good. Whoever thinks longer here, until he is as good as his look
ahead was, gives another answer than the one that looked; the mean change may then be zero, but the
changes vary more than those of questions that were asked unchanged, and that is bounded too. What
passes all of this is a gain below the track's tolerance.

Windows that were asked twice in one request while scoring tell a random model (dropout left on)
from one that looks ahead.
"""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from harness.evidence.asked_again import Probes
from harness.scoring.probes.answers import LARGEST_NATS, Differences, FirstAnswers, at_cut
from harness.scoring.probes.drawing import Indices, Questions, draw_probes, draw_unchanged
from harness.scoring.probes.sections import Sections
from harness.scoring.windows import Asked, Request, Round, WindowPlan

TWICE = 64
"""Windows asked twice in one request while scoring, at most; of few windows, a quarter."""


@dataclass
class ProbeSet:
    """Targets to be asked twice, the answers of the first time, and how the second ones differed.

    ``probes`` are those with another suffix, in the order of their targets; ``unchanged`` those
    without, and ``twice`` int64[K] the windows that are asked twice in one request while scoring.
    ``text`` uint16[M] is what suffixes are taken from. ``remembers`` says whether the first answers
    are kept at all: four bytes for each token of the stream.
    """

    plan: WindowPlan
    probes: Questions
    unchanged: Questions
    twice: Indices
    text: npt.NDArray[np.uint16]
    remembers: bool = True
    first: FirstAnswers = field(init=False)
    _random: Differences = field(default_factory=Differences)
    _differences: Differences = field(default_factory=Differences)
    _noise: Differences = field(default_factory=Differences)

    def __post_init__(self) -> None:
        self.first = FirstAnswers.of_stream(self.plan.tokens if self.remembers else 0)
        self._all = Questions(
            *(np.concatenate(pair) for pair in zip(self.probes, self.unchanged, strict=True))
        )

    @classmethod
    def none(cls, plan: WindowPlan) -> "ProbeSet":
        """No probes, for a scoring after which nothing is asked again."""
        nothing, text = Questions.none(), np.empty(0, np.uint16)
        return cls(plan, nothing, nothing, np.empty(0, np.int64), text, remembers=False)

    @classmethod
    def draw(
        cls,
        plan: WindowPlan,
        *,
        text: npt.NDArray[np.uint16],
        secret: bytes,
        count: int,
    ) -> "ProbeSet":
        """Choose ``count`` targets and their suffixes; ``secret`` is known to the harness alone.

        Suffixes are drawn without a look at the target. A target whose window reaches out of its
        section is left out; where there is no text, so is each that others follow.
        """
        seed = int.from_bytes(hashlib.sha256(b"probes\0" + secret).digest(), "big")
        rng = np.random.default_rng(seed)
        one_stream = plan.segment is None
        sections = Sections.draw(rng, tokens=plan.tokens if one_stream else 0, length=plan.length)
        probes = draw_probes(rng, plan, text, sections, count=count)
        unchanged = draw_unchanged(rng, plan, probes, sections)
        some = min(TWICE, len(plan) // 4)
        twice = np.sort(rng.choice(len(plan), some, replace=False)).astype(np.int64)
        return cls(plan, probes, unchanged, twice, text)

    @property
    def planned(self) -> int:
        """Targets that are asked with another suffix."""
        return len(self.probes.windows)

    @property
    def asked(self) -> int:
        """All questions, those that are asked unchanged included."""
        return len(self._all.windows)

    def scoring_rounds(self, rounds: Iterator[Round], *, windows_at_once: int) -> Iterator[Round]:
        """The rounds of a scoring, and after each some of its windows, each twice in one request.

        Two rows of a request have everything in common but their place, so whatever is not random
        answers both alike, memory or not.
        """
        segments = self.plan.windows.segments[self.twice]
        for number, round_ in enumerate(rounds):
            windows = self.twice[segments == number] if self.plan.segment else self.twice
            again = self._pairs(windows, pairs_at_once=windows_at_once // 2)
            yield round_._replace(requests=itertools.chain(round_.requests, again))

    def _pairs(self, windows: Indices, *, pairs_at_once: int) -> Iterator[Request]:
        if not pairs_at_once:  # a window fills a request
            return
        for single in self.plan.requests(windows, windows_at_once=pairs_at_once):
            both = np.concatenate([single.windows, single.windows])
            numbers = np.searchsorted(self.twice, both)
            pairs = Request(both, np.tile(single.starts, 2), single.length, single.first)
            yield pairs.asking(Asked.unchanged(numbers, length=single.length))

    def keep_pairs(self, request: Request, nats: torch.Tensor) -> None:
        """Compare the two answers to each window of a request of pairs: float32[2 B, P]."""
        one, other = nats.double().chunk(2)
        changes = other - one
        for row, worst in enumerate(changes.abs().argmax(dim=1).tolist()):
            self._random.add(
                float(changes[row].mean()),
                largest=float(changes[row, worst]),
                target=int(request.targets[row, worst]),
            )

    def among(self, request: Request) -> tuple[Indices, Indices]:
        """Rows of a scored request that are probed, and each probe's number; some rows twice."""
        windows = self.probes.windows
        begins = np.searchsorted(windows, request.windows)
        counts = np.searchsorted(windows, request.windows, side="right") - begins
        rows = np.repeat(np.arange(len(request.windows)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, np.repeat(begins, counts) + within

    def keep(self, request: Request, nats: torch.Tensor, kept: torch.Tensor) -> None:
        """Keep what was scored: float32[B, P] nats, float32[K, V] of those :meth:`among` it."""
        if not self.remembers:
            return
        self.first.nats[request.targets] = nats.numpy()
        for number, distribution in zip(self.among(request)[1].tolist(), kept, strict=True):
            self.first.distributions[number] = distribution.clone()

    def rounds(
        self, stream: npt.NDArray[np.uint16], *, windows_at_once: int, workers: int = 1
    ) -> Iterator[Round]:
        """All questions again, each when its turn has come, dealt out over all workers.

        An adaptive model observes each segment when its questions are answered. What comes after
        the last of them is not observed: nothing depends on it.
        """
        groups, turns = self._all.groups, self._all.turns
        order = np.lexsort((turns, groups))
        last = int(groups.max(initial=0))
        bounds = np.searchsorted(groups[order], np.arange(last + 2))
        for group, (begin, end) in enumerate(itertools.pairwise(bounds.tolist())):
            numbers = order[begin:end]
            final = int(turns[numbers].max(initial=0))
            edges = np.searchsorted(turns[numbers], np.arange(final + 2))
            for turn, (low, high) in enumerate(itertools.pairwise(edges.tolist())):
                share = max(1, -(-(high - low) // workers))
                at_once = min(windows_at_once, share)
                over = turn == final and group < last
                yield Round(
                    self.requests(numbers[low:high], windows_at_once=at_once),
                    self.plan.observed(group, stream) if over else None,
                )

    def requests(self, numbers: Indices, *, windows_at_once: int) -> Iterator[Request]:
        """Some questions int64[M] of one turn, with their altered suffixes."""
        for request, where in self.plan.placed(
            self._all.windows[numbers], windows_at_once=windows_at_once
        ):
            asked = numbers[where]
            altered = asked < self.planned
            cuts = np.where(altered, self._all.cuts[asked], request.length - 1)
            yield request.asking(Asked(asked, cuts, self._all.suffixes[asked], self.text))

    def cuts(self, request: Request) -> Indices:
        """int64[B]: the position of each question's target in a request of :meth:`rounds`."""
        assert request.asked is not None  # noqa: S101 - of rounds
        return self._all.cuts[request.asked.numbers]

    def compare(self, request: Request, nats: torch.Tensor, distributions: torch.Tensor) -> None:
        """Compare second answers with first: float32[B, P] nats, float32[B, V] at the cuts."""
        assert request.asked is not None  # noqa: S101 - of rounds
        before = torch.from_numpy(self.first.nats[request.targets])
        changes = (nats - before).double().clamp(-LARGEST_NATS, LARGEST_NATS)
        for row, number in enumerate(request.asked.numbers.tolist()):
            kept = int(self._all.cuts[number]) - request.first
            change = float(changes[row, kept])
            sizes = changes[row, : kept + 1].abs()
            if number < self.planned:
                whole = at_cut(self.first.distributions[number], distributions[row])
                sizes[kept] = max(float(sizes[kept]), whole)
            worst = int(sizes.argmax())
            target = int(request.targets[row, worst])
            where = self._differences if number < self.planned else self._noise
            where.add(change, largest=float(sizes[worst]), target=target)

    def facts(
        self, *, segments_observed: int, seconds: float, expected_seconds: float | None = None
    ) -> Probes:
        """What the probes showed, of as many as were answered."""
        changes, unchanged = self._differences.facts(), self._noise.facts()
        return Probes(
            probes=changes.count,
            largest_change_nats=self._differences.largest,
            mean_change_nats=self._differences.mean_size,
            mean_gain_nats=changes.mean_nats,
            gain_error_nats=changes.sample.error if changes.count else 0.0,
            worst_target=self._differences.worst_target,
            segments_observed=segments_observed,
            planned=self.planned,
            seconds=seconds,
            expected_seconds=expected_seconds,
            changes=changes,
            unchanged=unchanged.model_copy(update={"largest_nats": self._noise.largest}),
            twice=self._random.facts().model_copy(update={"largest_nats": self._random.largest}),
        )
