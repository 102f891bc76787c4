"""The messages of a running verification."""

from dataclasses import dataclass, replace

from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.evidence.step_names import StepName
from harness.evidence.steps import Step
from harness.evidence.store import RunDirectory
from harness.report.figures import number
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT
from harness.safeio.text import plain

LINE_LIMIT = 500


@dataclass(frozen=True)
class RunningStep:
    """One step of one run; ``limit_seconds`` is null where it has no budget."""

    title: str
    limit_seconds: float | None
    elapsed_seconds: float = 0.0
    last_line: str = ""
    targets_done: int = 0
    targets_total: int = 0
    tokens_per_second: float = 0.0

    @classmethod
    def begun(
        cls, directory: RunDirectory, run: Run, step: Step, limit_seconds: float | None
    ) -> "RunningStep":
        """The step when it begins, with a title like ``seed 2 of 3 (1804289383): training``."""
        purpose = directory.plan.draws[run.draw].purpose
        same = [draw.number for draw in directory.plan.draws_for(purpose)]
        name = "fresh seed" if purpose == "confirmation" else run.role
        which = f"{name} {same.index(run.draw) + 1} of {len(same)} ({run.seed})"
        return cls(f"{run.role if len(same) == 1 else which}: {step.label}", limit_seconds)

    def at(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int,
        targets_total: int,
        tokens_per_second: float,
    ) -> "RunningStep":
        """The same step, later; the line becomes plain text."""
        return replace(
            self,
            elapsed_seconds=elapsed_seconds,
            last_line=plain(last_line, LINE_LIMIT),
            targets_done=targets_done,
            targets_total=targets_total,
            tokens_per_second=tokens_per_second,
        )

    @property
    def clock(self) -> str:
        """Elapsed seconds, and the budget."""
        limit = "" if self.limit_seconds is None else f" of {number(self.limit_seconds)}"
        return f"{self.elapsed_seconds:,.1f}{limit} s"

    @property
    def scored(self) -> str:
        """Targets scored and the rate; empty while nothing has been scored."""
        if not self.targets_total:
            return ""
        share = 100 * self.targets_done / self.targets_total
        return (
            f"{self.targets_done:,} of {self.targets_total:,} targets ({share:.0f} %), "
            f"{self.tokens_per_second:,.0f} tokens/s"
        )


def opening(directory: RunDirectory) -> list[str]:
    """What is about to run, where, and with which seeds: a title and some lines."""
    plan = directory.plan
    seeds = ", ".join(str(seed) for seed in plan.seeds)
    isolated = "" if plan.required.isolated else " (rehearsal: not isolated)"
    return [
        f'verifying "{plain(plan.entry.name, NAME_LIMIT)}" '
        f"on track {plan.track.name}, edition {plain(plan.track.edition, NAME_LIMIT)}",
        f"sandbox {plan.required.sandbox}{isolated}, "
        f"dataset {plain(plan.texts.dataset.name, NAME_LIMIT)}",
        f"seeds {seeds} ({'chosen by hand' if plan.chosen_by_hand else 'drawn'}{_looks(plan)})",
        f"evidence in {plain(str(directory.path), PATH_LIMIT)}",
    ]


def _looks(plan: Plan) -> str:
    """After how many seeds it is looked whether to go on; empty where that is after the last."""
    runs = [str(look.runs) for look in plan.track.significance.looks or ()]
    return f"; looked at after {', '.join(runs[:-1])} and {runs[-1]}" if len(runs) > 1 else ""


def closing(run: Run) -> str:
    """The result of a run, on one line."""
    name = f"{run.role} {run.seed}:" if run.role != "preparation" else "preparation:"
    parts = []
    if run.scores is not None:
        parts.append(f"{number(run.scores.val_bpb, 'BPB')} BPB")
    if run.artifact is not None:
        parts.append(f"artifact {run.artifact.bytes:,} bytes")
    if run.tokenizer is not None and not run.tokenizer.problem:
        parts.append(f"{run.tokenizer.validation_tokens:,} validation tokens")
    timed: tuple[StepName, ...] = ("train", "score")
    for step in timed:
        facts = run.phase(step)
        if facts is not None:
            parts.append(f"{step} {facts.wallclock_seconds:,.1f} s")
    failed = next((step for step in run.steps if step.failure is not None), None)
    if run.failure is not None and failed is not None:
        reason = plain(run.failure.reason, DETAIL_LIMIT)
        without = "no score, " if run.scores is None else ""
        parts.append(f"{without}{failed.name} failed ({run.failure.fault}): {reason}")
    return f"{name} {', '.join(parts)}" if parts else f"{name} nothing measured"
