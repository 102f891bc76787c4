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
  (:mod:`harness.scoring.probes.walks.sections`): no window shows a target before its answer is in.
- Windows that are asked unchanged, among the others, lie wholly before the target that is asked
  next in their section.
- An adaptive model is shown what it observed while scoring, in the same order, and between two
  segments the targets of the later one, by the same rule.
- Where documents are streams, one of which something is asked is replayed, in the same way, up to
  its last question, and all others only where they are studied
  (:mod:`harness.scoring.probes.walks.documents`).

Targets are drawn before the scoring, or half of them after it, likelier the more a look ahead there
may have gained (:mod:`harness.scoring.probes.gaps`): there too stands why it helps nobody that he
is asked. All of them are asked in one order, by the rules above.

So an answer that looked ahead cannot be repeated: it would have to hold what only the first sandbox
was shown. Nor can it be made good. Whoever thinks longer here, until he is as good as his look
ahead was, gives another answer than the one that looked; the mean change may then be zero, but the
changes vary more than those of questions that were asked unchanged, and that is bounded too. What
passes all of this is a gain below the track's tolerance.

Windows that were asked twice in one request while scoring tell a random model (dropout left on)
from one that looks ahead.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch

from harness.evidence.asked_again import Probes
from harness.evidence.pace import PaceAgain
from harness.scoring.probes.answers import LARGEST_NATS, Differences, FirstAnswers, at_cut
from harness.scoring.probes.drawing import (
    Questionnaire,
    Questions,
    Walk,
    draw_targets,
    draw_unchanged,
    questions_about,
    windows_of,
)
from harness.scoring.probes.gaps import Costs, Floats, Gaps
from harness.scoring.probes.walks import walk_of
from harness.scoring.schedules.asking import Ask, Indices, Schedule, Tokens
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.documents import DocumentPlan
from harness.scoring.schedules.plan import Room

TWICE = 64
"""Windows asked twice in one request while scoring, at most; of few windows, a quarter."""


@dataclass
class ProbeSet:
    """Targets to be asked twice, the answers of the first time, and how the second ones differed.

    ``drawn`` int64[U] are the targets that were drawn before the scoring, and ``kept`` int64[K]
    those of them whose whole distribution is kept, in order; of all others only the cost is.
    ``by_gap`` are still to be drawn when the split is scored (:meth:`draw_by_gap`). ``twice``
    int64[W] are windows that are asked twice in one request while scoring. ``text`` uint16[M] is
    what suffixes are taken from; all that is drawn comes from ``rng``.

    Then ``probes`` are the questions with another suffix, in the order of their targets, each
    ``likelihoods`` float64 times as likely as uniformly; ``unchanged`` are those without.

    ``remembers`` says whether the first answers are kept at all: four bytes for each token of the
    stream. ``pairs`` are the changes between two answers to one window in one request.
    """

    plan: WindowPlan | DocumentPlan
    walk: Walk
    drawn: Indices
    kept: Indices
    by_gap: int
    twice: Indices
    text: Tokens
    rng: np.random.Generator
    remembers: bool = True
    probes: Questions = field(init=False)
    unchanged: Questions = field(init=False)
    likelihoods: Floats = field(init=False)
    first: FirstAnswers = field(init=False)
    pairs: Differences = field(default_factory=Differences)
    _drawn_by_gap: bool = False
    _differences: Differences = field(default_factory=Differences)
    _noise: Differences = field(default_factory=Differences)

    def __post_init__(self) -> None:
        self.first = FirstAnswers.of_stream(self.plan.tokens if self.remembers else 0)
        self._kept_windows = windows_of(self.plan, self.kept)
        self._settle(self.drawn)

    @classmethod
    def none(cls, plan: WindowPlan | DocumentPlan) -> "ProbeSet":
        """No probes, for a scoring after which nothing is asked again."""
        nothing, text = np.empty(0, np.int64), np.empty(0, np.uint16)
        rng = np.random.default_rng(0)
        walk = walk_of(plan, rng)
        return cls(plan, walk, nothing, nothing, 0, nothing, text, rng, remembers=False)

    @classmethod
    def draw(
        cls,
        plan: WindowPlan | DocumentPlan,
        *,
        text: Tokens,
        secret: bytes,
        count: int,
        by_gap: int = 0,
        keep: int | None = None,
    ) -> "ProbeSet":
        """Choose targets and their suffixes; ``secret`` is known to the harness alone.

        Suffixes are drawn without a look at the target. A target whose window reaches out of its
        section is left out; where there is no text, so is each that others follow.

        Args:
            plan: the windows.
            text: what suffixes are taken from.
            secret: what everything is drawn from.
            count: targets to be asked.
            by_gap: how many of them are drawn after the scoring.
            keep: distributions to be kept at most; all where not given.
        """
        seed = int.from_bytes(hashlib.sha256(b"probes\0" + secret).digest(), "big")
        rng = np.random.default_rng(seed)
        walk = walk_of(plan, rng)
        drawn = draw_targets(rng, plan, walk, count=count - by_gap)
        some = min(TWICE, len(plan) // 4)
        twice = np.sort(rng.choice(len(plan), some, replace=False)).astype(np.int64)
        # They are in no order, so that the first ones are any.
        return cls(plan, walk, drawn, np.sort(drawn[:keep]), by_gap, twice, text, rng)

    def draw_by_gap(self, costs: Costs) -> None:
        """Draw the targets that are drawn after the scoring; ``costs`` are the plain model's."""
        gaps = Gaps.measure(self.first.nats, costs, self.walk.may_be_asked)
        self._settle(np.concatenate([self.drawn, gaps.draw(self.rng, self.by_gap)]))
        self.likelihoods = gaps.likelihoods(self.targets)
        self._drawn_by_gap = True

    def _settle(self, targets: Indices) -> None:
        """Make questions of all targets that are drawn, and draw unchanged ones among them."""
        self.probes = questions_about(self.rng, self.plan, self.text, self.walk, targets)
        self.unchanged = draw_unchanged(self.rng, self.plan, self.text, self.probes, self.walk)
        self.likelihoods = np.ones(len(self.probes.windows))
        both = zip(self.probes, self.unchanged, strict=True)
        every = Questions(*(np.concatenate(pair) for pair in both))
        self._all = Questionnaire(every, len(self.probes.windows), self.text)

    @property
    def targets(self) -> Indices:
        """int64[K]: what is asked with another suffix, by stream index, in order."""
        return self.plan.windows.starts[self.probes.windows] + self.probes.cuts + 1

    @property
    def planned(self) -> int:
        """Targets that are asked with another suffix."""
        return len(self.probes.windows)

    @property
    def asked(self) -> int:
        """All questions, those that are asked unchanged included."""
        return len(self._all)

    def scoring(self, *, room: Room, lanes: int) -> Schedule:
        """The schedule of a scoring, with some of its windows asked twice in one request."""
        return self.plan.schedule(room=room, lanes=lanes, twice=self.twice)

    def keep_pairs(self, ask: Ask, nats: torch.Tensor) -> None:
        """Compare the two answers to each window of a request of pairs: float32[2 B, P]."""
        one, other = nats.double().chunk(2)
        changes = other - one
        means = changes.sum(dim=1).numpy() / self.plan.divisors(ask.counts[: len(changes)])
        for row, worst in enumerate(changes.abs().argmax(dim=1).tolist()):
            self.pairs.add(
                float(means[row]),
                largest=float(changes[row, worst]),
                target=int(ask.targets[row, worst]),
            )

    def among(self, ask: Ask) -> tuple[Indices, Indices]:
        """Rows of a scored request at which a distribution is kept, and which; some rows twice.

        The second are places in ``kept``, and so in :attr:`kept_cuts`.
        """
        windows = self._kept_windows
        begins = np.searchsorted(windows, ask.windows)
        counts = np.searchsorted(windows, ask.windows, side="right") - begins
        rows = np.repeat(np.arange(len(ask.windows)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, np.repeat(begins, counts) + within

    @property
    def kept_cuts(self) -> Indices:
        """int64[K]: the position in its window at which each distribution is kept."""
        return self.kept - self.plan.windows.starts[self._kept_windows] - 1

    def keep(self, ask: Ask, nats: torch.Tensor, kept: torch.Tensor) -> None:
        """Keep what was scored: float32[B, P] nats, float32[K, V] of those :meth:`among` it."""
        if not self.remembers:
            return
        self.first.nats[ask.targets[ask.wanted]] = nats.numpy()[ask.wanted]
        places = self.among(ask)[1]
        for target, distribution in zip(self.kept[places].tolist(), kept, strict=True):
            self.first.distributions[target] = distribution.clone()

    def schedule(self, *, room: Room, lanes: int) -> Schedule:
        """All questions again, each when its turn has come, dealt out over all workers."""
        return self.walk.schedule(self._all, room=room, lanes=lanes)

    def cuts(self, ask: Ask) -> Indices:
        """int64[B]: the position of each question's target in an ask of :meth:`schedule`."""
        assert ask.questions is not None  # noqa: S101 - of schedule
        return self._all.questions.cuts[ask.questions]

    def compare(self, ask: Ask, nats: torch.Tensor, distributions: torch.Tensor) -> None:
        """Compare second answers with first: float32[B, P] nats, float32[B, V] at the cuts."""
        assert ask.questions is not None  # noqa: S101 - of schedule
        targets = ask.targets
        before = torch.from_numpy(self.first.nats[targets])
        changes = (nats - before).double().clamp(-LARGEST_NATS, LARGEST_NATS)
        places = self.cuts(ask) - ask.firsts
        for row, number in enumerate(ask.questions.tolist()):
            kept = int(places[row])
            change = float(changes[row, kept])
            sizes = changes[row, : kept + 1].abs()
            altered = number < self.planned
            whole = self.first.distributions.get(int(targets[row, kept]))
            if altered and whole is not None:
                sizes[kept] = max(float(sizes[kept]), at_cut(whole, distributions[row]))
            worst = int(sizes.argmax())
            target, largest = int(targets[row, worst]), float(sizes[worst])
            if altered:
                likelihood = float(self.likelihoods[number])
                self._differences.add(change, largest=largest, target=target, likelihood=likelihood)
            else:
                self._noise.add(change, largest=largest, target=target)

    def facts(
        self,
        *,
        segments_observed: int,
        seconds: float,
        expected_seconds: float | None = None,
        pace: PaceAgain | None = None,
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
            by_gap=self.by_gap if self._drawn_by_gap else None,
            planned=self.planned,
            seconds=seconds,
            expected_seconds=expected_seconds,
            pace=pace,
            changes=changes,
            unchanged=unchanged.model_copy(update={"largest_nats": self._noise.largest}),
            twice=self.pairs.facts().model_copy(update={"largest_nats": self.pairs.largest}),
        )
