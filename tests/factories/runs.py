"""Runs as the harness would write them, for tests of what follows from them."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from harness.contest.track import Track
from harness.evidence.asked_again import Probes, Recall
from harness.evidence.decisions import Decision
from harness.evidence.draws import Draw
from harness.evidence.host import HostFacts, TelemetryFacts
from harness.evidence.phase import PhaseFacts
from harness.evidence.plan import Plan
from harness.evidence.results import (
    ArtifactFacts,
    BridgeProof,
    ClaimedScore,
    Gap,
    OwnEvaluation,
    Result,
    Scores,
    Shown,
    Spread,
    TimelineSpan,
    TokenizerProof,
    Trained,
)
from harness.evidence.run import Failure, Run, StepFacts
from harness.evidence.step_names import StepName
from harness.evidence.steps import steps_of
from harness.judge.case import Case
from harness.judge.judge import judge
from harness.judge.verdict import Verdict
from tests.factories.results import (
    ORDINARY_SPREAD,
    bridge_proof,
    evaluated_on_drawn,
    gap,
    host,
    phase,
    probes,
    recall,
    scores,
    sealed,
    shown,
    tokenizer_proof,
    weights,
)

GOOD_SCORES = (2.61, 2.62, 2.60)


class Parts(TypedDict, total=False):
    """What a seed run may be told to consist of; None: that it was not reached.

    ``train``, ``score``, ``probe``, ``recall_phase``, ``holdout`` and ``unquantized_phase`` are
    phases. ``failure``
    ends the run at the step whose rule it speaks to. ``gap`` brings the scoring of unpublished
    documents with it, and so does ``unquantized`` a checkpoint.
    """

    train: PhaseFacts | None
    telemetry: TelemetryFacts | None
    artifact: ArtifactFacts | None
    checkpoint: ArtifactFacts | None
    timeline: tuple[TimelineSpan, ...]
    shown: Shown | None
    opened: int | None
    score: PhaseFacts | None
    scores: Scores | None
    probe: PhaseFacts | None
    probes: Probes | None
    recall_phase: PhaseFacts | None
    recall: Recall | None
    spread: Spread | None
    holdout: PhaseFacts | None
    gap: Gap | None
    holdout_probes: Probes | None
    unquantized_phase: PhaseFacts | None
    unquantized: Scores | None
    failure: Failure | None
    host: HostFacts
    attempt: int
    ended: bool


def seed_run(draw: Draw, bpb: float = GOOD_SCORES[0], **parts: Unpack[Parts]) -> Run:
    """A seed run that went well at ``bpb``, but for ``parts``.

    What needs a part that is not there is not there either.
    """
    asked = functools.partial(phase, outcome="stopped")
    unquantized = parts.get("unquantized")
    the_gap = parts.get("gap")
    trained = Trained(
        artifact=parts.get("artifact", sealed(weights(draw.seed))),
        checkpoint=parts.get(
            "checkpoint", sealed(weights(draw.seed + 1), "full.bin") if unquantized else None
        ),
        timeline=parts.get("timeline", ()),
        shown=parts.get("shown"),
        opened=parts.get("opened"),
    )
    plain_scores = parts.get("scores", scores(bpb))
    holdout_scores = scores(the_gap.holdout_bpb) if the_gap else None
    again: tuple[PhaseFacts | None, Probes | None] = (None, None)
    if the_gap:
        again = asked("reprobe"), parts.get("holdout_probes", probes())
    train = parts.get("train", phase("train"))
    done: dict[StepName, tuple[PhaseFacts | None, Result | None]] = {
        "train": (train, trained if train else None),
        "score": (parts.get("score", asked("score")), plain_scores),
        "probe": (parts.get("probe", asked("probe")), parts.get("probes", probes())),
        "recall": (parts.get("recall_phase", asked("recall")), parts.get("recall", recall())),
        "spread": (None, parts.get("spread", ORDINARY_SPREAD)),
        "holdout": (parts.get("holdout", asked("holdout") if the_gap else None), holdout_scores),
        "reprobe": again,
        "gap": (None, the_gap),
        "unquantized": (
            parts.get("unquantized_phase", asked("unquantized") if unquantized else None),
            unquantized,
        ),
    }
    return Run(
        draw=draw.number,
        seed=draw.seed,
        role=draw.role,
        attempt=parts.get("attempt", 1),
        host=parts.get("host", host()),
        steps=tuple(_steps(done, parts.get("failure"), parts.get("telemetry"))),
        ended=parts.get("ended", True),
    )


# Where training fails by what it left, or by how it ended.
_RULES_OF_TRAINING = ("training", "artifact")


def _steps(
    done: Mapping[StepName, tuple[PhaseFacts | None, Result | None]],
    why: Failure | None,
    telemetry: TelemetryFacts | None,
) -> list[StepFacts]:
    """The steps of a seed run, up to the failure or to the first that cannot be without another."""
    found: list[StepFacts] = []
    for step in steps_of("seed"):
        phase_facts, result = done[step.name]
        if not step.needs <= {facts.name for facts in found if facts.done}:
            continue
        if step.name == "score" and not _has_artifact(found):
            continue
        fails = why is not None and why.finding.id in (
            _RULES_OF_TRAINING if step.name == "train" else (step.finding,)
        )
        if result is None and not fails:
            continue
        found.append(
            StepFacts(
                name=step.name,
                phases=(phase_facts,) if phase_facts and step.runs_code else (),
                telemetry=telemetry if step.name == "train" else None,
                result=None if fails else result,
                failure=why if fails else None,
            )
        )
        if fails:
            break
    return found


def _has_artifact(found: Sequence[StepFacts]) -> bool:
    return any(isinstance(f.result, Trained) and f.result.artifact is not None for f in found)


def preparation(
    made: Plan,
    *,
    tokenizer: TokenizerProof | None = None,
    bridge: BridgeProof | None = None,
    own_evaluation: OwnEvaluation | None = None,
    failure: Failure | None = None,
    **changes: Any,
) -> Run:
    """What runs before any seed of an entry that needs it: both proofs, as far as it needs them."""
    (draw,) = made.draws_for("preparation")
    steps = []
    if made.entry.tokenizer.kind != "stock":
        proof = None if failure else tokenizer or tokenizer_proof(made)
        ran = (phase("tokenize"),) if made.entry.tokenizer.kind == "code" else ()
        steps.append(StepFacts(name="tokenize", phases=ran, result=proof, failure=failure))
    if made.entry.bridge is not None and failure is None:
        steps.append(
            StepFacts(
                name="bridge", phases=(phase("bridge"),), result=bridge or bridge_proof(our=2.61)
            )
        )
    if made.entry.only_reproduced and failure is None:
        drawn = own_evaluation or evaluated_on_drawn()
        steps.append(StepFacts(name="drawn", phases=(phase("whole"),), result=drawn))
    return _run(draw, steps, **changes)


def reproduction(draw: Draw, bpb: float, **changes: Any) -> Run:
    """A run of the whole script, which prints ``bpb``."""
    claimed = ClaimedScore(
        val_bpb=bpb,
        val_loss=bpb * 1.66,
        line=120,
        artifact=sealed(weights(draw.seed)),
        sealed_seconds=14.0,
    )
    facts = StepFacts(name="reproduce", phases=(phase("reproduce"),), result=claimed)
    return _run(draw, [facts], **changes)


def _run(draw: Draw, steps: Sequence[StepFacts], **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "draw": draw.number,
        "seed": draw.seed,
        "role": draw.role,
        "attempt": 1,
        "host": host(),
        "steps": tuple(steps),
        "ended": True,
    }
    return Run(**(fields | changes))


def good_runs(
    made: Plan, values: Sequence[float] = GOOD_SCORES, **parts: Unpack[Parts]
) -> list[Run]:
    """All runs of a plan that went well: what comes before its seeds, and its seed runs.

    ``values`` are the BPB of the seeds in turn; the sample bar falls. Each seed run consists of
    ``parts``. Reproductions are not among them.
    """
    before = [preparation(made)] if made.draws_for("preparation") else []
    draws = made.draws_for("look", "confirmation")
    if made.texts.holdout is not None:
        parts = {"gap": gap(), **parts}
    seeds = [
        seed_run(draw, bpb, **_with_shown(made, draw, parts))
        for draw, bpb in zip(draws, itertools.cycle(values), strict=False)
    ]
    return [*before, *seeds]


def looked(
    made: Plan, looks: Sequence[float], fresh: Sequence[float] = (), **parts: Unpack[Parts]
) -> list[Run]:
    """Runs of as many look draws as there are scores, and of as many that confirm.

    A score of NaN leaves that draw out: it was not run.
    """
    pairs = [
        *zip(made.draws_for("look"), looks, strict=False),
        *zip(made.draws_for("confirmation"), fresh, strict=False),
    ]
    return [
        seed_run(draw, bpb, **_with_shown(made, draw, parts))
        for draw, bpb in pairs
        if not math.isnan(bpb)
    ]


def with_first(made: Plan, **parts: Unpack[Parts]) -> list[Run]:
    """:func:`good_runs`, of which the first seed run is another."""
    first = made.draws_for("look")[0]
    other = seed_run(first, **_with_shown(made, first, parts))
    return [other if run.draw == first.number else run for run in good_runs(made)]


def _with_shown(made: Plan, draw: Draw, parts: Parts) -> Parts:
    return {"shown": shown(made, draw), **parts}


def verdict_of(
    made: Plan,
    runs: Sequence[Run],
    *,
    track: Track | None = None,
    decisions: Sequence[Decision] = (),
) -> Verdict:
    """What the rules say of runs of a plan."""
    return judge(Case.of(made, runs, track=track, decisions=decisions), evidence="runs/x")
