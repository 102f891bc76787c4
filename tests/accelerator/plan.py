"""Which steps there are, in which order, and how long each may take.

What is wanted most comes first: a run that is cut off, or a machine that is slow, costs the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.accelerator.sizes import Size

_TIMES: dict[str, tuple[float, float, float]] = {
    "found": (90, 15, 4),
    "text": (60, 15, 4),
    "hardware": (60, 20, 8),
    "training": (0, 0, 0),
    "by_itself": (50, 12, 4),
    "scoring": (60, 25, 8),
    "rescoring": (50, 27, 12),
    "lookahead": (50, 22, 8),
    "ranks": (75, 25, 10),
    "workers": (60, 25, 10),
    "channels": (150, 50, 4),
    "containers": (260, 110, 20),
}
"""Of each module its limit, and what it is expected to take: in full, and in miniature."""
_VARIANTS_SECONDS = 40.0
_NEW_MODELS = ("naive_baseline", "int6_late_k", "int6_ste_qat")
"""Submissions whose model none before them has; the others find it compiled."""
TRAINING_SLACK = 20.0
"""What a training may take beyond its budget, to be seen to be late."""
LEAST_SECONDS = 8.0
"""With less than this left nothing is begun."""


@dataclass(frozen=True)
class Planned:
    """A step to come; ``needs`` names the step without whose files it is nothing."""

    name: str
    module: str
    arguments: dict[str, Any] = field(default_factory=dict)
    limit_seconds: float = 0.0
    expected_seconds: float = 0.0
    needs: str = ""

    @property
    def trains(self) -> bool:
        """Whether its time is what is left for it."""
        return self.module == "training"


def planned(size: Size, submissions: Sequence[str], *, engine: bool = True) -> list[Planned]:
    """All steps for these submissions, in order."""
    steps = [_step(size, "text"), _step(size, "hardware")]
    second = min(1, len(submissions) - 1)
    for number, name in enumerate(submissions):
        steps += _trained(size, name)
        if number <= second:
            # The second is scored with a sliding window: there compiling may be worth its while.
            steps.append(_scored(size, name, variants=number == second))
        if number == 0:
            steps.append(_step(size, "rescoring", name, needs=f"training {name}"))
        if number == second:
            trained = f"training {submissions[0]}"
            steps += [
                _step(size, "lookahead", name, needs=f"scoring {name}"),
                _step(size, "ranks"),
                _step(size, "workers", submissions[0], needs=trained),
                _step(size, "channels"),
            ]
            if engine:
                steps.append(_step(size, "containers", submissions[0], needs=trained))
    return steps + [_scored(size, name, variants=False) for name in submissions[second + 1 :]]


def _trained(size: Size, name: str) -> list[Planned]:
    training = Planned(
        f"training {name}",
        "training",
        {"submission": name, "compiles": name in _NEW_MODELS},
        needs="text",
    )
    return [training, _step(size, "by_itself", name, needs=training.name)]


def _scored(size: Size, name: str, *, variants: bool) -> Planned:
    step = _step(size, "scoring", name, needs=f"training {name}")
    extra = _VARIANTS_SECONDS if variants and not size.smoke else 0.0
    return Planned(
        step.name,
        step.module,
        {**step.arguments, "variants": variants},
        step.limit_seconds + extra,
        step.expected_seconds + extra,
        step.needs,
    )


def _step(size: Size, module: str, submission: str = "", *, needs: str = "") -> Planned:
    limit, full, small = _TIMES[module]
    return Planned(
        name=f"{module} {submission}".strip(),
        module=module,
        arguments={"submission": submission} if submission else {},
        limit_seconds=limit,
        expected_seconds=small if size.smoke else full,
        needs=needs,
    )


def first_step(size: Size) -> Planned:
    """The step that says what is there; what the others do depends on it."""
    return _step(size, "found")


def training_seconds(size: Size, waiting: Sequence[Planned], *, left_seconds: float) -> float:
    """The budget of the next training: an equal share of what the other steps leave."""
    most, fewest = size.train_seconds
    if waiting[0].arguments.get("compiles", True):
        fewest += size.compile_seconds
    trainings = sum(step.trains for step in waiting)
    others = sum(step.expected_seconds for step in waiting)
    share = (left_seconds - others) / max(1, trainings) - 2.0
    return max(fewest, min(most, share))
