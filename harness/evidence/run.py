"""One try of one draw, step by step: the unit of evidence.

A run directory holds ``evidence.json`` (:class:`Run`). It is written again after each step, so a
harness that is killed at any moment leaves everything that it had measured.
"""

from statistics import fmean
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from harness.evidence.asked_again import Probes, Recall
from harness.evidence.host import HostFacts, TelemetryFacts
from harness.evidence.phase import EarlySealFacts, PhaseFacts
from harness.evidence.results import (
    ArtifactFacts,
    BridgeProof,
    ClaimedScore,
    Gap,
    OwnEvaluation,
    Result,
    Scores,
    Spread,
    TimelineSpan,
    TokenizerProof,
    Trained,
)
from harness.evidence.step_names import Role, StepName
from harness.evidence.steps import place_of, step_of
from harness.models import Fact, Finding, Later

AnyResult = TypeVar("AnyResult", bound=Fact)
Bpb = Annotated[float, Field(ge=0)]


class Failure(Fact):
    """Why a step did not lead to its result, and whose fault it is.

    The finding's id is the rule that the failure speaks to: a training that left no artifact
    fails under ``artifact``.
    """

    fault: Literal["submission", "infrastructure"]
    finding: Finding

    @property
    def reason(self) -> str:
        """The finding in one sentence, with the place and the field that it is about."""
        found = self.finding
        return ": ".join(part for part in (found.place, found.field, found.detail) if part)


class StepFacts(Fact):
    """The facts of one step, always with the phases of the untrusted code that ran in it."""

    name: StepName
    phases: tuple[PhaseFacts, ...] = ()
    telemetry: TelemetryFacts | None = None
    result: Result | None = None
    failure: Failure | None = None

    @model_validator(mode="after")
    def _fits_its_row(self) -> "StepFacts":
        step = step_of(self.name)
        if self.result is not None and not isinstance(self.result, step.result):
            raise ValueError(f"{self.name}: {self.result.kind} is no result of this step")
        if self.phases and step.runs_code is False:
            raise ValueError(f"{self.name}: phases given, but no untrusted code runs in this step")
        if self.result is not None and step.runs_code is True and not self.phases:
            raise ValueError(f"{self.name}: a result without the phases that it comes from")
        if self.result is None and self.failure is None and not self.phases:
            raise ValueError(f"{self.name}: neither a result nor a failure, and no phase")
        timeline_alone = isinstance(self.result, Trained) and self.result.artifact is None
        if self.failure is not None and self.result is not None and not timeline_alone:
            raise ValueError(f"{self.name}: a failure beside its result")
        return self

    @property
    def done(self) -> bool:
        """Whether it led to its result; a training that failed may still have a timeline."""
        return self.result is not None and self.failure is None


class Move(Fact):
    """Where a run goes on elsewhere, so that who asks again is not who was shown all.

    ``step`` is the first one there. ``answers_sha256`` is the digest of the answers that were taken
    along; they are kept no longer than the run. ``host`` is the machine that goes on; null while
    none has begun to.
    """

    step: StepName
    answers_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    host: HostFacts | None = None


class Run(Fact):
    """One try of one draw of a plan.

    ``draw`` is the draw's number in the plan and ``seed`` its seed (0 for a preparation).
    ``attempt`` counts the tries of this draw from 1: a second try is the same draw, so a host that
    dies is no new ticket. ``ended`` is false while steps are still to come.

    ``began`` is the step with which the entry's own code was started first, written before it was:
    null where none had been, and in evidence from before it was kept. ``beside`` are the BPB of
    earlier tries of the draw, which were scored and then lost: they count with this one's. Only a
    rescoring keeps it; elsewhere it follows from those tries (:mod:`harness.evidence.attempts`).

    ``spared`` says why it was not asked again: its score had lost the verification. Null where it
    was asked, or never came so far.

    ``given_up`` says why a launcher took the try for lost while no harness held it any more: its
    node died, say. Nothing is added to a try that was given up.

    ``moves``: where it went on after ``host``, in a plan that asks again on other machines.
    """

    format: Literal[2] = 2
    draw: int = Field(ge=0)
    seed: int = Field(ge=0, lt=1 << 31)
    role: Role
    attempt: int = Field(ge=1)
    host: HostFacts
    steps: tuple[StepFacts, ...] = ()
    ended: bool = False
    began: Later[StepName] = None
    beside: Later[tuple[Bpb, ...]] = None
    spared: Later[Annotated[str, Field(min_length=1, max_length=1000)]] = None
    given_up: Later[Annotated[str, Field(min_length=1, max_length=1000)]] = None
    moves: Later[tuple[Move, ...]] = None

    @model_validator(mode="after")
    def _follows(self) -> "Run":
        names = [facts.name for facts in self.steps]
        if names != sorted(set(names), key=place_of):
            raise ValueError("steps: expected each once, in the order of a run")
        before: set[str] = set()
        for facts in self.steps:
            step = step_of(facts.name)
            if step.role != self.role:
                raise ValueError(f"{step.name}: not a step of a {self.role} run")
            for need in sorted(step.needs - before):
                raise ValueError(f"{step.name}: given without {need}, which it comes from")
            before |= {step.name} if facts.done else set()
        for name, file, sealed in (
            ("score", "artifact", self.artifact),
            ("unquantized", "checkpoint", self.checkpoint),
        ):
            if name in names and sealed is None:
                raise ValueError(f"{name}: given without {file}, which it comes from")
        if any(facts.failure and step_of(facts.name).decides for facts in self.steps[:-1]):
            raise ValueError("steps: expected none after a failure that ends the run")
        if self.began is not None:
            begun = step_of(self.began)
            if begun.role != self.role or begun.runs_code is False:
                raise ValueError(f"began: {self.began} starts no code in a {self.role} run")
        if self.spared is not None and "score" not in before:
            raise ValueError("spared: given without score, which it follows from")
        if self.spared is not None and any(step_of(name).spared for name in names):
            raise ValueError("spared: given beside a step that it says was left out")
        if self.role == "preparation" and self.seed != 0:
            raise ValueError("seed: expected 0 of a preparation")
        return self

    @model_validator(mode="after")
    def _not_both(self) -> "Run":
        if self.given_up is not None and self.ended:
            raise ValueError("given_up: given of a run that has ended")
        return self

    @model_validator(mode="after")
    def _moves_follow(self) -> "Run":
        moves, done = self.moves or (), [facts.name for facts in self.steps]
        places = [place_of(move.step) for move in moves]
        if places != sorted(set(places)):
            raise ValueError("moves: expected each step once, in the order of a run")
        for move in moves:
            again = step_of(move.step).asks_again
            if again is None or again not in done:
                raise ValueError(f"moves: {move.step} asks for nothing again that was scored")
        if any(move.host is None for move in moves[:-1]):
            raise ValueError("moves: only the last can be waiting for a machine")
        if moves and moves[-1].host is None:
            if self.ended:
                raise ValueError("moves: the last has no machine, in a run that has ended")
            if any(place_of(name) >= places[-1] for name in done):
                raise ValueError("moves: a step is there that the last is waiting for")
        return self

    def plus(self, facts: StepFacts) -> "Run":
        """The run with one more step."""
        return Run.model_validate({**dict(self), "steps": (*self.steps, facts)})

    def step(self, name: StepName) -> StepFacts | None:
        """A step's facts, where it was begun."""
        return next((facts for facts in self.steps if facts.name == name), None)

    def result(self, name: StepName, kind: type[AnyResult]) -> AnyResult | None:
        """The result of a step, if it has one."""
        facts = self.step(name)
        return facts.result if facts and isinstance(facts.result, kind) else None

    def phase(self, name: StepName) -> PhaseFacts | None:
        """The last phase of a step, where it has one."""
        facts = self.step(name)
        return facts.phases[-1] if facts and facts.phases else None

    @property
    def done(self) -> frozenset[StepName]:
        """Steps that led to their result and did not fail."""
        return frozenset(facts.name for facts in self.steps if facts.done)

    @property
    def failure(self) -> Failure | None:
        """The failure that ended the run, if a step that decides has failed."""
        deciding = (facts.failure for facts in self.steps if step_of(facts.name).decides)
        return next((failure for failure in deciding if failure is not None), None)

    @property
    def lost(self) -> bool:
        """Whether our side failed, so that the draw is to be tried again."""
        return not self.ended or (
            self.failure is not None and self.failure.fault == "infrastructure"
        )

    @property
    def waits(self) -> bool:
        """Whether it is to go on on another machine, and nobody has begun to."""
        moving = any(move.host is None for move in self.moves or ())
        return moving and self.given_up is None

    @property
    def hosts(self) -> tuple[HostFacts, ...]:
        """The machines on which it was made, in order."""
        return self.host, *(move.host for move in self.moves or () if move.host is not None)

    def host_of(self, name: StepName) -> HostFacts:
        """The machine on which a step is made, as far as the run has moved."""
        upto = [m for m in self.moves or () if m.host and place_of(m.step) <= place_of(name)]
        return (upto[-1].host if upto else None) or self.host

    @property
    def had_begun(self) -> bool:
        """Whether code of the entry was started, as far as anybody can tell."""
        return self.began is not None or any(facts.phases for facts in self.steps)

    @property
    def bpb(self) -> float | None:
        """What counts as its score: its own, or the mean with those beside it; null without one."""
        return None if self.scores is None else fmean((self.scores.val_bpb, *(self.beside or ())))

    @property
    def artifact(self) -> ArtifactFacts | None:
        """The sealed artifact."""
        trained = self.result("train", Trained)
        return trained.artifact if trained else None

    @property
    def checkpoint(self) -> ArtifactFacts | None:
        """The unquantized weights."""
        trained = self.result("train", Trained)
        return trained.checkpoint if trained else None

    @property
    def early(self) -> EarlySealFacts | None:
        """How the artifact was sealed while the phase ran on."""
        facts = self.phase("train") or self.phase("reproduce")
        return facts.early if facts else None

    @property
    def timeline(self) -> tuple[TimelineSpan, ...]:
        """Where training spent its time, according to its log."""
        trained = self.result("train", Trained)
        return trained.timeline if trained else ()

    @property
    def scores(self) -> Scores | None:
        """The scored validation split."""
        return self.result("score", Scores)

    @property
    def holdout(self) -> Scores | None:
        """The scored unpublished documents."""
        return self.result("holdout", Scores)

    @property
    def probes(self) -> Probes | None:
        """The result of the probes."""
        return self.result("probe", Probes)

    @property
    def holdout_probes(self) -> Probes | None:
        """The result of the probes of unpublished documents."""
        return self.result("reprobe", Probes)

    @property
    def recall(self) -> Recall | None:
        """What asking in another order showed."""
        return self.result("recall", Recall)

    @property
    def spread(self) -> Spread | None:
        """How the cost is spread over documents."""
        return self.result("spread", Spread)

    @property
    def gap(self) -> Gap | None:
        """Published against unpublished documents."""
        return self.result("gap", Gap)

    @property
    def unquantized(self) -> Scores | None:
        """The score of the unquantized weights."""
        return self.result("unquantized", Scores)

    @property
    def tokenizer(self) -> TokenizerProof | None:
        """The proof of the entry's own tokenizer (of a preparation)."""
        return self.result("tokenize", TokenizerProof)

    @property
    def bridge(self) -> BridgeProof | None:
        """The proof of the bridge (of a preparation)."""
        return self.result("bridge", BridgeProof)

    @property
    def own_evaluation(self) -> OwnEvaluation | None:
        """What the script's own evaluation printed on drawn texts (of a preparation)."""
        return self.result("drawn", OwnEvaluation)

    @property
    def claimed(self) -> ClaimedScore | None:
        """What the script printed (of a reproduction)."""
        return self.result("reproduce", ClaimedScore)
