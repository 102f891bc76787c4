"""The case that rules judge: everything that is known of one verification."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.contest.track import Track
from harness.evidence.decisions import Decision
from harness.evidence.draws import Draw, Purpose
from harness.evidence.phase import PhaseFacts
from harness.evidence.plan import DatasetFacts, Plan
from harness.evidence.results import TokenizerProof
from harness.evidence.run import Failure, Run
from harness.judge.comparison import compare_with_bar, confirm
from harness.judge.tested import ConfirmationResult, StatisticsResult


@dataclass(frozen=True)
class Case:
    """One verification, as a rule sees it.

    Attributes:
        plan: what was fixed before the first run.
        track: the rules that it is judged under, the plan's own or others.
        runs: the try that counts of each draw that has one, in the order of the draws.
        statistics: the scores of the seed runs against the bar.
        decisions: what humans settled about this very evidence.
        elsewhere: what they settled about other evidence, such as less of it.
        used_up: draws that had begun and were lost as often as they may be.
    """

    plan: Plan
    track: Track
    runs: tuple[Run, ...]
    statistics: StatisticsResult
    decisions: tuple[Decision, ...] = ()
    elsewhere: tuple[Decision, ...] = ()
    used_up: tuple[Draw, ...] = ()

    @classmethod
    def of(
        cls,
        plan: Plan,
        runs: Sequence[Run],
        *,
        track: Track | None = None,
        decisions: Sequence[Decision] = (),
        elsewhere: Sequence[Decision] = (),
        used_up: Sequence[Draw] = (),
    ) -> "Case":
        """The case of a plan and its evidence; ``track``: judge under it instead of the plan's."""
        track = track or plan.track
        by_draw = {run.draw: run for run in runs}
        looks = [by_draw.get(draw.number) for draw in plan.draws_for("look")]
        scores = [run.bpb for run in looks if run is not None and run.bpb is not None]
        # A try that our side lost after its score is shown, and made again: no look goes past it.
        waited = [None if run is None or run.lost else run.bpb for run in looks]
        statistics = compare_with_bar(scores, plan=plan, track=track, in_order=leading(waited))
        return cls(
            plan,
            track,
            tuple(runs),
            statistics,
            decisions=tuple(decisions),
            elsewhere=tuple(elsewhere),
            used_up=tuple(used_up),
        )

    @cached_property
    def seeds(self) -> tuple[Run, ...]:
        """The seed runs, in the order of the draws: those of the looks, then the confirmation's."""
        return tuple(run for run in self.runs if run.role == "seed")

    def seeds_for(self, purpose: Purpose) -> tuple[Run, ...]:
        """The seed runs that were made for this purpose."""
        return tuple(run for run in self.seeds if self.plan.draws[run.draw].purpose == purpose)

    @property
    def tested(self) -> tuple[float, ...]:
        """The scores that the statistics are of, BPB: up to the look that decides, if one has."""
        scores = [run.bpb for run in self.seeds_for("look") if run.bpb is not None]
        return tuple(scores[: self.statistics.n])

    @property
    def fresh(self) -> tuple[float, ...]:
        """The scores of the seeds that confirm, BPB: as many as the track asks for.

        One that our side lost is waited for, whatever its score was.
        """
        asked = self.plan.draws_for("confirmation")[: self.track.significance.confirmation or 0]
        numbers = {draw.number for draw in asked}
        found = (run.bpb for run in self.seeds if run.draw in numbers and not run.lost)
        return tuple(bpb for bpb in found if bpb is not None)

    @cached_property
    def confirmation(self) -> ConfirmationResult | None:
        """What further seeds say; None unless the track asks for them and its looks accepted."""
        runs = self.track.significance.confirmation
        return (
            None if runs is None else confirm(self.statistics, self.tested, self.fresh, runs=runs)
        )

    @property
    def runs_needed(self) -> int:
        """Seed runs that are needed by now: up to the look that decides, or to the next one."""
        if self.plan.once_blind:
            return 1
        needed = self.statistics.runs_needed
        return self.track.significance.most_runs if needed is None else needed

    @cached_property
    def reproductions(self) -> tuple[Run, ...]:
        """The runs of an entry's whole script."""
        return tuple(run for run in self.runs if run.role == "reproduction")

    @cached_property
    def preparation(self) -> Run | None:
        """The preparation that ran before any seed, if one was needed."""
        return next((run for run in self.runs if run.role == "preparation"), None)

    @property
    def dataset(self) -> DatasetFacts:
        """The track's own dataset: bar, margin and bytes come from it."""
        return self.plan.texts.dataset

    @property
    def entered(self) -> DatasetFacts:
        """The dataset in whose tokens an entry without a tokenizer of its own is scored."""
        return self.plan.texts.entered or self.dataset

    @property
    def own_tokenizer(self) -> bool:
        """Whether the entry brings a tokenizer of its own."""
        return self.plan.entry.tokenizer.kind != "stock"

    @property
    def tokenizer(self) -> TokenizerProof | None:
        """The proof of the entry's own tokenizer, where there is one."""
        return self.preparation.tokenizer if self.preparation else None

    @property
    def targets(self) -> int:
        """Targets of the validation split, in the tokens that the entry is scored in."""
        proof = self.tokenizer
        return ((proof and proof.validation_tokens) or self.entered.validation_tokens) - 1

    @property
    def train_tokens(self) -> int:
        """Tokens of all train shards, in the tokens that the entry is trained on."""
        proof = self.tokenizer
        return (proof and proof.train_tokens) or self.entered.train_tokens

    @property
    def vocabulary_size(self) -> int:
        """Number of ids of the tokenizer with which the entry is scored."""
        proof = self.tokenizer
        return (proof and proof.vocabulary_size) or self.entered.vocabulary_size

    @property
    def code_bytes(self) -> int:
        """Bytes of the entry's files that the track counts."""
        return self.plan.entry.counted_bytes(tokenizer_counted=self.track.budget.tokenizer_counted)

    @cached_property
    def phases(self) -> tuple[PhaseFacts, ...]:
        """Every phase that was begun, in the order of the runs."""
        return tuple(phase for run in self.runs for step in run.steps for phase in step.phases)

    def failure(self, rule: str) -> tuple[Run, Failure] | None:
        """The first failure of a run that is reported under this rule."""
        for run in self.runs:
            for step in run.steps:
                if step.failure is not None and step.failure.finding.id == rule:
                    return run, step.failure
        return None


def leading(scores: Sequence[float | None]) -> int:
    """How many of the scores come before the first one that is missing."""
    return next((place for place, score in enumerate(scores) if score is None), len(scores))
