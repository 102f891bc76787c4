"""Whether the bridge of an entry in upstream's layout leads to the model that its script scores.

A bridge is the referee's own. One that is wrong is nobody's cheat, so it rejects nothing; but what
is measured through it says nothing about the entry either.
"""

from harness.evidence.results import BridgeProof
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status

_REMEDY = "correct bridge.toml, and name it with --bridge"
_NO_ARTIFACT = (
    "the script runs, but the bridge does not say which file its artifact is: nothing of it can be "
    "sealed or weighed"
)


def _bridge(case: Case) -> Finding | None:
    if case.plan.entry.bridge is None:
        return None
    proof = case.preparation.bridge if case.preparation else None
    found = case.failure("bridge")
    apart = limit = None
    status: Status = "unknown"
    remedy = ""
    if found is not None:
        status = "fail" if found[1].fault == "submission" else "unknown"
        detail = found[1].reason
    elif proof is None:
        detail = "not reached"
    elif not case.plan.entry.train.names_artifact:
        detail, remedy = _NO_ARTIFACT, "name it in bridge.toml: [artifact] file"
    elif not case.plan.entry.asked:
        status, detail = "pass", "the script runs; its model cannot be asked, only run whole"
    elif proof.our_loss is None or proof.printed_loss is None:
        detail, remedy = "the script ran, and its model was not asked", _REMEDY
    else:
        apart, limit = abs(proof.our_loss - proof.printed_loss), proof.tolerance_nats
        said = f"our loss {proof.our_loss:.8f}, the script printed {proof.printed_loss:.8f}"
        if apart <= limit:
            status, detail = "pass", f"{said}: asked under its own windows, before any training"
            if proof.blind_to:
                same = ", or ".join(proof.blind_to)
                detail = f"{detail}; our loss would have been the same with {same}"
            if proof.driven_loss is not None:
                status, driven = driven_of(proof)
                detail = f"{detail}; {driven}"
                remedy = "" if status == "pass" else _REMEDY
        else:
            detail, remedy = f"{said}: it leads to another model, or asks it otherwise", _REMEDY
    return Finding(
        id="bridge",
        status=status,
        measured=apart,
        limit=limit,
        unit="nats",
        detail=detail,
        remedy=remedy,
    )


def driven_of(proof: BridgeProof) -> tuple[Status, str]:
    """Whether its loop, driven, scores what it does by itself; and does learn meanwhile."""
    ours, printed, frozen = proof.driven_loss, proof.driven_printed_loss, proof.our_loss
    tolerance = proof.driven_tolerance_nats or proof.tolerance_nats
    if ours is None or printed is None or frozen is None:
        return "unknown", "nothing to compare its driven loop with"
    said = f"its loop, driven, scored {ours:.8f}, and printed {printed:.8f} by itself"
    if abs(ours - printed) > tolerance:
        return "unknown", f"{said}: it is not driven as it runs"
    if abs(ours - frozen) <= tolerance:
        return "unknown", f"{said}: it learned too little to tell whether it was driven"
    return "pass", said


BRIDGE = Rule(
    "bridge",
    "The referee's own lines about a script in upstream's layout lead to the model that the script "
    "itself scores: under its own windows, our loss is the one that it prints.",
    _bridge,
    better="lower",
    per_seed=True,
)
