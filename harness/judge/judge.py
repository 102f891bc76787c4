"""The judgment: from a case to a verdict. A pure function.

Nothing is run or read here, so any stored verification can be judged again, under this
edition of a track or another. The rules are in ``rules/``.
"""

import functools
import math
from datetime import datetime

from harness.evidence.digests import judged_by
from harness.evidence.phase import PhaseFacts
from harness.evidence.places import try_folder
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.comparison import spending_under
from harness.judge.conclude import conclude, settle
from harness.judge.notes import notes_on
from harness.judge.rule import Rule
from harness.judge.rules import CHECKS
from harness.judge.rules.brought_along import brought_result
from harness.judge.rules.clocks import charged_seconds
from harness.judge.rules.doubts import doubts_of
from harness.judge.rules.memorisation import suspects
from harness.judge.stages import upstream_result
from harness.judge.verdict import (
    Busy,
    Digests,
    MemorisationResult,
    ReproductionResult,
    RuleFacts,
    SeedResult,
    StreamsResult,
    TokenizerResult,
    Verdict,
)
from harness.judge.way_on import log_of, way_on
from harness.statistics.units import nats_per_token_to_bpb

CHEAPEST_SHOWN = 5


def judge(case: Case, *, evidence: str) -> Verdict:
    """Apply every rule of a case's track to its evidence.

    Args:
        case: plan, runs, decisions and track.
        evidence: where the evidence is kept, shown to the reader.
    """
    plan, track, dataset = case.plan, case.track, case.dataset
    settled = settle(case, CHECKS)
    findings = settled.findings
    rehearsal = plan.rehearses_on(track)
    name, reason = conclude(
        findings, CHECKS, rehearsal=rehearsal, only_reproduced=plan.entry.only_reproduced
    )
    scale = plan.time_scale
    train_seconds, score_seconds = track.budget.train_seconds, track.budget.score_seconds
    return Verdict(
        verdict=name,
        reason=reason,
        track=track.name,
        edition=track.edition,
        submission=plan.entry.name,
        author=plan.entry.author,
        layout=plan.entry.layout,
        claim=plan.entry.claim,
        sandbox=plan.required.sandbox,
        sandbox_runtime=plan.required.runtime,
        isolated=plan.required.isolated,
        rehearsal=rehearsal,
        created_at=plan.created_at,
        dataset=dataset.name,
        checks=findings,
        rules=facts_of_these_rules(),
        decisions=settled.applied,
        passed_over=settled.passed_over or None,
        findings=notes_on(case),
        seeds=tuple(_seed_result(case, run, evidence) for run in case.seeds),
        seeds_drawn=not plan.chosen_by_hand,
        reproductions=tuple(_reproduction_result(run) for run in case.reproductions),
        statistics=case.statistics,
        doubts=doubts_of(case),
        tokenizer=_tokenizer_result(case),
        memorisation=_memorisation_result(case),
        baselines=dataset.baselines,
        train_limit_seconds=None if train_seconds is None else train_seconds * scale,
        score_limit_seconds=None if score_seconds is None else score_seconds * scale,
        bytes_limit=track.budget.bytes,
        digests=Digests(
            submission=plan.entry.digest,
            track=track.digest,
            dataset=dataset.digest,
            image=plan.required.image_digest,
            harness=plan.required.measured_by,
            rules=judged_by(),
            bridge=plan.entry.bridge.digest if plan.entry.bridge else "",
            tokenizer=case.tokenizer.sha256 if case.tokenizer else "",
        ),
        evidence=evidence,
        rescored_from=plan.copies.directory if plan.copies else "",
        segment=next((run.scores.segment for run in case.seeds if run.scores), None),
        streams=_streams_result(case),
        brought=brought_result(case),
        confirmation=case.confirmation,
        spending=spending_under(plan, track),
        upstream=upstream_result(case, findings),
        time_scale=None if scale == 1 else scale,
        seconds=_total_seconds(case),
        folder=plan.entry.folder or None,
        way_on=way_on(case, name, findings),
    )


@functools.cache
def facts_of_these_rules() -> tuple[RuleFacts, ...]:
    """The rules of this harness, as a verdict names them."""
    return tuple(rule_facts(rule) for rule in CHECKS)


def rule_facts(rule: Rule) -> RuleFacts:
    """What a verdict keeps of a rule."""
    return RuleFacts(
        id=rule.id,
        better=rule.better,
        open_in_rehearsal=rule.open_in_rehearsal,
        decidable=bool(rule.decidable),
        since=rule.since,
    )


def trouble_of(run: Run) -> str | None:
    """Why a run failed or was killed, in words; None where neither."""
    if run.failure is not None:
        return run.failure.reason
    for step in run.steps:
        for phase in step.phases:
            if phase.outcome == "deadline":
                return f"{step.name}: {_killed(phase)}"
    return None


def _killed(phase: PhaseFacts) -> str:
    """That a phase was killed, and what it last printed, when."""
    said, end = phase.detail or "killed at the limit", phase.log_end
    if end is None:
        return said
    return f"{said}; the last line of its log, at {end.seconds:.1f} s: {end.text}"


def _total_seconds(case: Case) -> float | None:
    """What all runs took together, each from its first start to its last end."""
    spans = [_span(run) for run in case.runs]
    known = [span for span in spans if span is not None]
    return math.fsum(known) if known else None


def _span(run: Run) -> float | None:
    phases = [p for step in run.steps for p in step.phases if p.outcome != "lost"]
    try:
        starts = [datetime.fromisoformat(phase.started_at) for phase in phases]
        ends = [datetime.fromisoformat(phase.finished_at) for phase in phases]
        return max(0.0, (max(ends) - min(starts)).total_seconds()) if phases else None
    except (TypeError, ValueError):  # a date that nobody can read
        return None


def _busy(run: Run) -> Busy | None:
    found = [
        Busy(load=phase.load.before, cores=cores)
        for step in run.steps
        for phase in step.phases
        if phase.load is not None and (cores := run.host_of(step.name).machine.cores) > 0
    ]
    return max(found, key=lambda busy: busy.load / busy.cores, default=None)


def _seconds(phase: PhaseFacts | None) -> float | None:
    """What a phase is charged; None for a lost one, of which nothing is known."""
    return None if phase is None or phase.outcome == "lost" else phase.charged_seconds


def _train_limit(case: Case) -> float | None:
    budget = case.track.budget.train_seconds
    return None if budget is None else budget * case.plan.time_scale


def _seed_result(case: Case, run: Run, evidence: str) -> SeedResult:
    artifact, scores, gap = run.artifact, run.scores, run.gap
    draw = case.plan.draws[run.draw]
    looks = case.plan.draws_for("look")
    place = f"{evidence}/{try_folder('seed', run.seed, run.attempt)}"
    return SeedResult(
        seed=run.seed,
        purpose="confirmation" if draw.purpose == "confirmation" else "look",
        attempt=run.attempt,
        node=run.host.node,
        val_bpb=scores.val_bpb if scores else None,
        val_loss=scores.val_loss if scores else None,
        artifact_bytes=artifact.bytes if artifact else None,
        code_bytes=case.code_bytes,
        train_seconds=charged_seconds(run, "train", limit=_train_limit(case)),
        score_seconds=charged_seconds(run, "score", limit=None),
        targets=scores.targets if scores else None,
        bytes=scores.bytes if scores else None,
        artifact=f"{place}/artifact/{artifact.name}" if artifact else None,
        artifact_sha256=artifact.sha256 if artifact else None,
        tokens_per_second=scores.tokens_per_second if scores else None,
        unquantised_bpb=run.unquantized.val_bpb if run.unquantized else None,
        holdout_bpb=gap.holdout_bpb if gap else None,
        gap_bpb=gap.gap_bpb if gap else None,
        gap_standard_error_bpb=gap.standard_error_bpb if gap else None,
        timeline=run.timeline,
        trouble=trouble_of(run),
        beside_bpb=run.beside,
        place=looks.index(draw) + 1 if draw in looks else None,
        lost=True if run.lost else None,
        waited_share=scores.waited_share if scores else None,
        whole_seconds=_seconds(run.phase("train"))
        if case.plan.entry.layout == "upstream"
        else None,
        log=log_of(run) or None,
        busy=_busy(run),
    )


def _streams_result(case: Case) -> StreamsResult | None:
    score = case.plan.entry.score
    if score.streams == "corpus" or score.rows is None or score.segment is None:
        return None
    return StreamsResult(
        rows=score.rows,
        segment=score.segment,
        observes=score.adaptive,
        studies=max((run.scores.studies for run in case.seeds if run.scores), default=0),
    )


def _reproduction_result(run: Run) -> ReproductionResult:
    claimed, phase = run.claimed, run.phase("reproduce")
    return ReproductionResult(
        seed=run.seed,
        printed_bpb=claimed.val_bpb if claimed else None,
        printed_loss=claimed.val_loss if claimed else None,
        seconds=_seconds(phase),
        artifact_bytes=claimed.artifact.bytes if claimed and claimed.artifact else None,
        trouble=trouble_of(run),
        sealed_seconds=run.early.seconds if run.early else None,
    )


def _tokenizer_result(case: Case) -> TokenizerResult | None:
    proof, dataset, own = case.tokenizer, case.dataset, case.plan.entry.tokenizer
    other = case.plan.texts.entered
    if proof is None and other is None:
        return None
    tokens = proof.validation_tokens if proof else case.entered.validation_tokens

    def worth(tokens: int) -> float:
        return nats_per_token_to_bpb(1, tokens=tokens - 1, text_bytes=dataset.validation_bytes)

    return TokenizerResult(
        file=own.file or "",
        code=own.code,
        dataset=other.name if other else None,
        sha256=proof.sha256 if proof else case.entered.digest,
        bytes=proof.bytes if proof else 0,
        counted=own.kind == "code"
        or (own.file is not None and case.track.budget.tokenizer_counted),
        vocabulary_size=case.vocabulary_size if not proof else proof.vocabulary_size,
        bytes_per_token=dataset.validation_bytes / tokens if tokens else None,
        bpb_per_nat=worth(tokens) if tokens else None,
        dataset_bytes_per_token=dataset.validation_bytes / dataset.validation_tokens,
        dataset_bpb_per_nat=worth(dataset.validation_tokens),
    )


def _memorisation_result(case: Case) -> MemorisationResult | None:
    known = [(run.seed, run.spread) for run in case.seeds if run.spread is not None]
    if not known:
        return None
    seed, spread = max(known, key=lambda pair: len(suspects(pair[1])))
    return MemorisationResult(
        seed=seed,
        judged=spread.judged,
        median_ratio=spread.median_ratio,
        suspicious=len(suspects(spread)),
        cheapest=spread.lowest[:CHEAPEST_SHOWN],
        parts=spread.parts,
    )
