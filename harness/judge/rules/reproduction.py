"""What a script prints when it is run whole on the true split, beside its claim and our score.

What it prints is a claim made under our roof: nobody has checked that it is true. That it was
printed again says that the claim was not made up elsewhere; that it is not better than our own
score of a run that never saw the validation text says that it was not read there.

A claim that is not printed again rejects where there is nothing else than what it prints. Where we
score the entry ourselves it is said, and changes nothing: our score stands, whatever was claimed.
"""

import math
from statistics import NormalDist, fmean

from harness.contest.track import Reproduction
from harness.evidence.results import ClaimedScore
from harness.judge.case import Case
from harness.judge.only_reproduced import NOBODY_CHECKED, NOT_REPRODUCED
from harness.judge.rule import Rule
from harness.judge.rules.whole_script import differs, in_words
from harness.models import Finding, Status
from harness.statistics.units import nats_per_token_to_bpb

_OURS_COUNTS = "what we scored is what counts"


def _reproduction(case: Case) -> Finding | None:
    entry, asked = case.plan.entry, case.track.reproduction
    if entry.layout != "upstream":
        return None
    drawn = case.plan.draws_for("reproduction")
    printed = [run.claimed.val_bpb for run in case.reproductions if run.claimed is not None]
    whole = bool(drawn) and len(printed) == len(drawn)
    found = case.failure("reproduction")
    worse = limit = None
    if whole and asked is not None and entry.claim.val_bpb is not None and not _scaled_down(case):
        worse, limit = fmean(printed) - entry.claim.val_bpb, allowed_bpb(asked, runs=len(printed))
    status: Status
    if found is not None:
        status = "fail" if found[1].fault == "submission" else "unknown"
        detail = found[1].reason
    elif not whole:
        status, detail = "unknown", "not reached: it comes last, when nothing else has failed"
    elif (wrong := _about_the_artifact(case)) is not None:
        status, detail = "fail", wrong
    else:
        status, detail = _beside_the_claim(case, fmean(printed), worse, limit)
        detail += _how_it_died(case)
    return Finding(
        id="reproduction",
        status=status,
        measured=worse,
        limit=limit if entry.only_reproduced else None,
        unit="BPB",
        detail=detail,
    )


def _how_it_died(case: Case) -> str:
    """How a script ended that did not end well after its score; empty where all did."""
    for run in case.reproductions:
        phase = run.phase("reproduce")
        if phase is not None and phase.outcome == "failed":
            return f"; then it ended with exit code {phase.exit_code}"
    return ""


def _beside_the_claim(
    case: Case, printed: float, worse: float | None, limit: float | None
) -> tuple[Status, str]:
    entry, said = case.plan.entry, f"it printed {printed:.4f} BPB"
    if _scaled_down(case):
        # Scripts count bytes by their own table, which is wrong for runs of spaces: source code has
        # many, the contest's text has none.
        return "pass", f"{said} by its own count of bytes; made small, it claims nothing"
    if entry.claim.val_bpb is None or worse is None or limit is None:
        # Of what we score ourselves, the claim is not asked for.
        status: Status = "unknown" if entry.only_reproduced else "pass"
        if entry.claim.val_bpb is None:
            return status, f"{said}; it claims no score that it could print again"
        return status, f"{said}; the track does not say how far a claim may be off"
    said += f", the claim is {entry.claim.val_bpb:.4f}"
    if worse > limit:
        said += f": {NOT_REPRODUCED}, {worse:.4f} worse, where chance explains {limit:.4f}"
        return ("fail", said) if entry.only_reproduced else ("pass", f"{said}; {_OURS_COUNTS}")
    return "pass", f"{said}; {NOBODY_CHECKED}" if entry.only_reproduced else said


def _scaled_down(case: Case) -> bool:
    """Whether the script was made small: then it prints another score than the one claimed."""
    return case.plan.track.rehearsal


def allowed_bpb(asked: Reproduction, *, runs: int) -> float:
    """How much worse than one claimed score the mean of so many runs may be by chance."""
    quantile = NormalDist().inv_cdf(1 - asked.p_below)
    return quantile * asked.field_sd_bpb * math.sqrt(1 + 1 / runs)


def _about_the_artifact(case: Case) -> str | None:
    """What is wrong with the file that a script left; None where nothing is."""
    for run in case.reproductions:
        if run.early is not None and differs(run.early):
            return in_words(run.early)
    sizes = [run.claimed.artifact for run in case.reproductions if run.claimed is not None]
    weighed = [size.bytes + case.code_bytes for size in sizes if size is not None]
    if len(weighed) < len(sizes):
        return "it left no artifact when its time was over"
    worst = max(weighed, default=0)
    over = worst - case.track.budget.bytes
    return f"artifact and code have {worst:,} bytes, {over:,} over the cap" if over > 0 else None


def _blind(case: Case) -> Finding | None:
    """None where the script's own score is not what its model alone gets."""
    entry, asked = case.plan.entry, case.track.reproduction
    if entry.layout != "upstream" or entry.only_reproduced or asked is None:
        return None
    ours = {run.seed: run.bpb for run in case.seeds if run.bpb is not None}
    pairs = [
        (_comparable(case, run.claimed), ours[run.seed])
        for run in case.reproductions
        if run.claimed is not None and run.seed in ours
    ]
    limit = asked.deviations * asked.field_sd_bpb
    better = None
    status: Status = "unknown"
    if not pairs:
        detail = "not reached: no seed was both scored by us and run whole"
    else:
        printed, measured = max(pairs, key=lambda pair: pair[1] - pair[0])
        better = measured - printed
        said = f"we scored {measured:.4f} BPB without showing it the text, it printed {printed:.4f}"
        if better > limit:
            status, detail = "fail", f"{said} with the text before it"
        elif better < -limit:
            detail = f"{said}: worse than what we measured; does the bridge ask the right model?"
        else:
            status, detail = "pass", f"{said} with it"
    return Finding(
        id="blind", status=status, measured=better, limit=limit, unit="BPB", detail=detail
    )


def _comparable(case: Case, claimed: ClaimedScore) -> float:
    return comparable_bpb(
        claimed.val_bpb,
        claimed.val_loss,
        targets=case.targets,
        text_bytes=case.dataset.validation_bytes,
        scaled_down=_scaled_down(case),
    )


def comparable_bpb(
    val_bpb: float,
    val_loss: float | None,
    *,
    targets: int,
    text_bytes: int,
    scaled_down: bool,
) -> float:
    """What a script printed, to be compared with our score, BPB.

    Scripts count the bytes of tokens by a table, which is right for the contest's own text and
    wrong for others: so the printed loss in nats a token counts, over our bytes. On the contest's
    text a printed score that is better than its loss says counts as it was printed.
    """
    if val_loss is None:
        return val_bpb
    by_loss = nats_per_token_to_bpb(val_loss, tokens=targets, text_bytes=text_bytes)
    return by_loss if scaled_down else min(by_loss, val_bpb)


REPRODUCTION = Rule(
    "reproduction",
    "The unchanged script, run whole on the true split, printed a score: its claim again, where we "
    "do not score it.",
    _reproduction,
    better="lower",
)
BLIND = Rule(
    "blind",
    "What it printed with the validation split before it is not better than our score of the same "
    "seed, trained with other text in its place.",
    _blind,
    better="lower",
    open_in_rehearsal=True,
)
