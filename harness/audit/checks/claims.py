"""Rules on what is claimed: score, loss, bytes and seeds, each compared with the runs."""

from collections.abc import Iterator
from functools import partial
from statistics import fmean

from harness.audit.claim_matching import WIDEST_BPB, seed_in_name
from harness.audit.findings import AuditCheck, Place
from harness.audit.policy import Policy
from harness.audit.summary import Evidence
from harness.audit.verdicts import at, check, listed
from harness.upstream.claims import ClaimedFigure, Claims, SeedClaim
from harness.upstream.logs.logged import LoggedRun

_MOST_PROBLEMS = 8


def claim_checks(evidence: Evidence, policy: Policy) -> Iterator[AuditCheck]:
    """``score``, ``score_loss``, ``score_bytes`` and ``score_seeds``, each if claimed."""
    yield _score(evidence, policy)
    yield from _loss(evidence)
    yield from _bytes(evidence)
    yield from _seeds(evidence)


def _claimed_at(evidence: Evidence, figure: ClaimedFigure | None) -> Place | None:
    claims = evidence.claims
    file = claims.score_file if figure is claims.val_bpb and claims.score_file else claims.file
    return Place(file=file, line=figure.line if figure else None) if file else None


def _absent_logs(evidence: Evidence) -> bool:
    """Whether a manifest lists logs that are not here: then no run is certainly missing."""
    files = evidence.folder.files.items()
    return any(not file.here and name.lower().endswith(".log") for name, file in files)


def _score(evidence: Evidence, policy: Policy) -> AuditCheck:
    claim = evidence.gathered.claim
    claims = evidence.claims
    figure = claims.val_bpb or claims.val_loss
    places = [_claimed_at(evidence, figure), *(at(run, "val_bpb") for run in evidence.runs)]
    if claim.kind == "none":
        return check("score", "unknown", f"{_no_score(claims)}: nothing to compare", *places)
    scores = [run.val_bpb for run in evidence.runs if run.val_bpb is not None]
    mean = fmean(scores) if scores else None
    accepted = claim.kind in policy.claims.accepted
    unread = bool(evidence.gathered.unread) or _absent_logs(evidence)
    doubt = claim.kind == "unsupported" and unread
    note = "; some logs were not read" if doubt else ""
    return check(
        "score",
        "pass" if accepted else "unknown" if doubt else "fail",
        claim.sentence + note,
        *places,
        measured=mean,
        limit=claim.val_bpb,
        unit="BPB",
    )


def _no_score(claims: Claims) -> str:
    """Why no score is claimed: one that cannot be read is not one that is missing."""
    if not claims.file:
        return "there is no file of claims"
    if claims.listed_only:
        return f"{claims.file} is not here"
    if claims.broken:
        return f"{claims.file} cannot be read"
    if claims.unreadable:
        return f"{claims.file}: {listed(claims.unreadable)}, which is no number that can be read"
    return f"{claims.file} claims no score"


def _loss(evidence: Evidence) -> Iterator[AuditCheck]:
    figure = evidence.claims.val_loss
    losses = [run.val_loss for run in evidence.runs if run.val_loss is not None]
    if figure is None or not losses:
        return
    place = _claimed_at(evidence, figure)
    mean = fmean(losses)
    tell = partial(check, "score_loss", measured=mean, limit=figure.value, unit="nats per token")
    if evidence.claims.val_bpb is None and evidence.gathered.claim.val_bpb == figure.value:
        sentence = (
            f"{figure.key} holds a score in bits per byte, {figure.value:g}; the logged loss is "
            f"{mean:.5f} nats per token"
        )
        yield tell("fail", sentence, place)
        return
    if evidence.gathered.claim.kind == "unsupported":
        sentence = "the score that it goes with is not in the logs"
        yield tell("unknown", sentence, place)
        return
    decimals = min([figure.decimals, *(run.val_decimals or 4 for run in evidence.runs)])
    width = 10.0**-decimals * 1.001 + 1e-9
    every = [e.val_loss for run in evidence.gathered.runs for e in run.evaluations if e.val_loss]
    fits = abs(figure.value - mean) <= width or any(
        abs(figure.value - loss) <= width for loss in every
    )
    sentence = f"{figure.value:g} is claimed; the logged mean is {mean:.5f}"
    yield tell("pass" if fits else "fail", sentence, place)


def _bytes(evidence: Evidence) -> Iterator[AuditCheck]:
    figure = evidence.claims.bytes_total
    weighed = [run for run in evidence.runs if run.total_bytes is not None]
    if figure is None or not weighed:
        return
    claimed = int(figure.value)
    totals = [run.total_bytes or 0 for run in weighed]
    shipped = [total for run in weighed if (total := evidence.shipped(run)) is not None]
    heaviest = max(weighed, key=lambda run: run.total_bytes or 0)
    places = (_claimed_at(evidence, figure), at(heaviest, "total_bytes"))
    means = [fmean(group) for group in (totals, shipped) if group]
    every = {run.total_bytes for run in evidence.gathered.runs}
    if claimed in every or claimed in shipped or any(abs(claimed - m) <= 1 for m in means):
        status, sentence = "pass", f"{claimed:,} bytes are claimed, as logged or as shipped"
    elif claimed >= max(totals):
        status, sentence = "pass", f"{claimed:,} bytes are claimed, no logged total is larger"
    else:
        status = "fail"
        sentence = (
            f"{claimed:,} bytes are claimed; {heaviest.log} logs {max(totals):,}, and no log "
            "has the claimed figure"
        )
    yield check(
        "score_bytes",
        "pass" if status == "pass" else "fail",
        sentence,
        *places,
        measured=max(totals),
        limit=claimed,
        unit="bytes",
    )


def _seeds(evidence: Evidence) -> Iterator[AuditCheck]:
    claims = evidence.claims
    if not claims.seeds and not claims.per_seed:
        return
    runs = [run for run in evidence.gathered.runs if not run.copy_of]
    known = {run.seed for run in runs} | {seed_in_name(run.log) for run in runs}
    line = claims.lines.get("seeds") or claims.lines.get("seed_results")
    where = Place(file=claims.file or "", line=line)
    silent = [seed for seed in claims.seeds if seed not in known]
    problems: list[tuple[str, Place]] = []
    for claim in claims.per_seed:
        problems += _differences(evidence, claim)
    if problems:
        told = [problem for problem, _ in problems[:_MOST_PROBLEMS]]
        places = [place for _, place in problems]
        yield check("score_seeds", "fail", listed(told), where, *places)
    elif silent:
        logs = bool(runs) and not _absent_logs(evidence) and not evidence.gathered.unread
        unlogged = any(run.seed is None for run in runs)
        status = "fail" if logs and not unlogged else "unknown"
        yield check(
            "score_seeds",
            "fail" if status == "fail" else "unknown",
            f"no log of the claimed seeds {listed(silent)}",
            where,
            measured=len(claims.seeds) - len(silent),
            limit=len(claims.seeds),
            unit="seeds",
        )
    else:
        sentence = f"each of the {len(claims.seeds or claims.per_seed)} claimed seeds has its run"
        yield check("score_seeds", "pass", sentence, where)


def _differences(evidence: Evidence, claim: SeedClaim) -> list[tuple[str, Place]]:
    """Claims about a seed that no run with that seed confirms."""
    if claim.seed is None:
        return []
    runs = [
        run
        for run in evidence.gathered.runs
        if claim.seed in (run.seed, seed_in_name(run.log)) and not run.copy_of
    ]
    if not runs:
        return []
    counted = [run for run in runs if run.counted] or runs
    run = counted[0]
    found = []
    if claim.val_bpb and not _among(claim.val_bpb, _scores(runs)):
        told = f"seed {claim.seed}: {claim.val_bpb.value:g} is claimed, logged {run.val_bpb}"
        found.append((told, at(run, "val_bpb")))
    steps = [run.steps for run in runs if run.steps is not None]
    if claim.steps and steps and claim.steps.value not in steps:
        told = f"seed {claim.seed}: {claim.steps.value:g} steps are claimed, logged {steps[0]}"
        found.append((told, at(run, "steps")))
    sizes = [
        size
        for each in runs
        for size in (each.total_bytes, each.model_bytes, evidence.shipped(each))
        if size is not None
    ]
    if claim.bytes and sizes and claim.bytes.value not in sizes:
        told = f"seed {claim.seed}: {claim.bytes.value:,.0f} bytes are claimed, logged {sizes[0]:,}"
        found.append((told, at(run, "total_bytes")))
    return found


def _scores(runs: list[LoggedRun]) -> list[tuple[float, int]]:
    return [(each.val_bpb, each.decimals) for run in runs for each in run.evaluations]


def _among(figure: ClaimedFigure, scores: list[tuple[float, int]]) -> bool:
    return any(
        abs(figure.value - score)
        <= min(1.001 * 10.0 ** -min(figure.decimals, decimals), WIDEST_BPB) + 1e-9
        for score, decimals in scores
    )
