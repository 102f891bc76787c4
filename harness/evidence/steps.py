"""The steps of a run, as a table: all other code looks up here what it needs to know of a step.

A step is declared here and done in ``run/steps/``, a function for each name. The order of the
table is the order of a run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, get_args

from harness.contest.entry import Entry
from harness.contest.track import Track
from harness.evidence import asked_again, results
from harness.evidence.plan import Plan
from harness.evidence.step_names import Role, StepName


class Left(Protocol):
    """The files that a run has left so far, which decide what steps follow."""

    @property
    def artifact(self) -> results.ArtifactFacts | None:
        """The sealed artifact."""

    @property
    def checkpoint(self) -> results.ArtifactFacts | None:
        """The unquantized weights."""


class Budgeted(Protocol):
    """What the limits of steps follow from; a plan is one."""

    @property
    def entry(self) -> Entry:
        """What is judged."""

    @property
    def track(self) -> Track:
        """The rules."""

    @property
    def time_scale(self) -> float:
        """What every budget is multiplied by."""


# Probing is not charged: it is announced as taking no longer than this, and killed after what the
# scoring's own rate lets expect.
_PROBE_ALLOWANCE = 1.5


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: its id, and the name of its files.
        label: what people read while it runs.
        role: the kind of run that it belongs to.
        result: the kind of result that it leads to.
        finding: the rule under whose id a failure of the step is reported.
        needs: steps that must have led to their result.
        when: whether a run of a plan has this step; asked once ``needs`` are there.
        runs_code: whether untrusted code runs in a sandbox: then it has phases and a log. None:
            where an entry brings some for it.
        documents: whether it leaves ``<name>.npz``, the costs of documents.
        limit: seconds until it is killed; None where nothing untrusted runs, or no budget is set.
        decides: whether a failure ends the run; others inform.
        spared: whether a run is spared it whose score has lost the verification; its evidence says
            why.
        asks_again: the scoring of which it asks for some answers again, if it does.
    """

    name: StepName
    label: str
    role: Role
    result: type[results.Result]
    finding: str
    needs: frozenset[StepName] = frozenset()
    when: Callable[[Plan, Left], bool] = lambda plan, run: True
    runs_code: bool | None = True
    documents: bool = False
    limit: Callable[[Budgeted], float | None] = lambda plan: None
    decides: bool = True
    spared: bool = False
    asks_again: StepName | None = None

    @property
    def log(self) -> str | None:
        """The name of its log."""
        return None if self.runs_code is False else f"{self.name}.log"

    @property
    def telemetry_file(self) -> str:
        """The name of its file of what accelerators did, where there were any."""
        return f"{self.name}.telemetry.npz"

    @property
    def documents_file(self) -> str | None:
        """The name of its file of documents' costs."""
        return f"{self.name}.npz" if self.documents else None

    @property
    def answers_file(self) -> str:
        """The name of its file of answers, for who asks again on another machine."""
        return f"{self.name}.answers.npz"


def _has_own_tokenizer(plan: Plan, run: Left) -> bool:
    return plan.entry.tokenizer.kind != "stock"


def _has_bridge(plan: Plan, run: Left) -> bool:
    return plan.entry.bridge is not None


def _is_only_reproduced(plan: Plan, run: Left) -> bool:
    return plan.entry.only_reproduced


def _has_holdout(plan: Plan, run: Left) -> bool:
    return plan.texts.holdout is not None


def _declares_no_memory(plan: Plan, run: Left) -> bool:
    return plan.track.probes.memory is not None and not plan.entry.score.remembers


def _has_checkpoint(plan: Plan, run: Left) -> bool:
    return "unquantized" in plan.also and run.checkpoint is not None


def _has_model(plan: Plan, run: Left) -> bool:
    return run.artifact is not None and plan.entry.asked


def _train_seconds(plan: Budgeted) -> float | None:
    """A script in upstream's layout goes on to its own evaluation, in the same phase."""
    if plan.entry.layout == "upstream":
        return _whole_seconds(plan)
    return _scaled(plan, plan.track.budget.train_seconds)


def _score_seconds(plan: Budgeted) -> float | None:
    return _scaled(plan, plan.track.budget.score_seconds)


def _probe_seconds(plan: Budgeted) -> float | None:
    seconds = _score_seconds(plan)
    return None if seconds is None else seconds * _PROBE_ALLOWANCE


def _whole_seconds(plan: Budgeted) -> float | None:
    train, score = plan.track.budget.train_seconds, plan.track.budget.score_seconds
    return None if train is None or score is None else _scaled(plan, train + score)


def _scaled(plan: Budgeted, seconds: float | None) -> float | None:
    return None if seconds is None else seconds * plan.time_scale


STEPS: tuple[Step, ...] = (
    Step(
        *("tokenize", "tokenizing the documents", "preparation"),
        result=results.TokenizerProof,
        finding="tokenizer",
        when=_has_own_tokenizer,
        runs_code=None,
    ),
    Step(
        *("bridge", "proving the bridge", "preparation"),
        result=results.BridgeProof,
        finding="bridge",
        when=_has_bridge,
    ),
    Step(
        *("drawn", "its own evaluation on texts that we drew", "preparation"),
        result=results.OwnEvaluation,
        finding="own_evaluation",
        needs=frozenset({"bridge"}),
        when=_is_only_reproduced,
        decides=False,
    ),
    Step(
        *("train", "training", "seed"),
        result=results.Trained,
        finding="training",
        limit=_train_seconds,
    ),
    Step(
        *("score", "scoring", "seed"),
        result=results.Scores,
        finding="scoring",
        needs=frozenset({"train"}),
        when=_has_model,
        documents=True,
        limit=_score_seconds,
    ),
    Step(
        *("probe", "asking again", "seed"),
        result=asked_again.Probes,
        finding="causality",
        needs=frozenset({"score"}),
        limit=_probe_seconds,
        spared=True,
        asks_again="score",
    ),
    Step(
        *("recall", "asking in another order", "seed"),
        result=asked_again.Recall,
        finding="memory",
        needs=frozenset({"score"}),
        when=_declares_no_memory,
        limit=_probe_seconds,
        spared=True,
        asks_again="score",
    ),
    Step(
        *("spread", "comparing documents", "seed"),
        result=results.Spread,
        finding="memorisation",
        needs=frozenset({"score"}),
        runs_code=False,
    ),
    Step(
        *("holdout", "scoring unpublished documents", "seed"),
        result=results.Scores,
        finding="holdout",
        needs=frozenset({"score"}),
        when=_has_holdout,
        documents=True,
        limit=_score_seconds,
    ),
    Step(
        *("reprobe", "asking again of unpublished documents", "seed"),
        result=asked_again.Probes,
        finding="holdout",
        needs=frozenset({"holdout"}),
        when=_has_holdout,
        limit=_probe_seconds,
        asks_again="holdout",
    ),
    Step(
        *("gap", "comparing both sets", "seed"),
        result=results.Gap,
        finding="holdout",
        needs=frozenset({"score", "holdout"}),
        runs_code=False,
    ),
    Step(
        *("unquantized", "scoring the unquantized weights", "seed"),
        result=results.Scores,
        finding="unquantized",
        needs=frozenset({"score"}),
        when=_has_checkpoint,
        documents=True,
        limit=_score_seconds,
        decides=False,
    ),
    Step(
        *("reproduce", "running the whole script", "reproduction"),
        result=results.ClaimedScore,
        finding="reproduction",
        limit=_whole_seconds,
    ),
)

_BY_NAME = {step.name: step for step in STEPS}
assert set(_BY_NAME) == set(get_args(StepName))  # noqa: S101 - the table is complete


_PLACES = {step.name: place for place, step in enumerate(STEPS)}


def place_of(name: StepName) -> int:
    """Where a step stands in the order of a run."""
    return _PLACES[name]


def step_of(name: StepName) -> Step:
    """The step of that name."""
    return _BY_NAME[name]


def steps_of(role: Role) -> tuple[Step, ...]:
    """The steps of a kind of run, in order."""
    return tuple(step for step in STEPS if step.role == role)


def logs_of(role: Role) -> int:
    """The most logs that a run can leave, to estimate the disk space."""
    return sum(step.log is not None for step in steps_of(role))
