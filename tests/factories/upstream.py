"""Entries in upstream's layout: their plans, and their runs as the harness would write them."""

from collections.abc import Sequence
from typing import Any

from harness.contest.entry import Claim, Entry, RestsOn, Score, TakeOver, Train, Whole
from harness.contest.track import Track
from harness.evidence.draws import Draw
from harness.evidence.phase import EarlySealFacts, PhaseFacts
from harness.evidence.plan import Plan
from harness.evidence.results import BridgeProof, ClaimedScore, OwnEvaluation
from harness.evidence.run import Failure, Run, StepFacts
from tests.factories.plans import bridge, entry, plan
from tests.factories.results import host, phase, sealed, shown, weights
from tests.factories.runs import GOOD_SCORES, preparation, seed_run

SCRIPT = {"train_gpt.py": b"# trains, evaluates, prints val_bpb\n".ljust(30_000, b"#")}
LINES = {"bridge.toml": b'format = 1\n\n[launch]\nscript = "train_gpt.py"\n'}
CLAIM_BPB = 2.6101


def upstream_entry(
    *, rests_on: RestsOn | None = None, whole: bool = False, **changes: Any
) -> Entry:
    """A script in upstream's layout; ``whole``: its model cannot be asked."""
    script = "train_gpt.py"
    loader: TakeOver | Whole = TakeOver(script=script, evaluation="eval_val", rests_on=rests_on)
    if whole:
        loader = Whole(script=script)
    facts = bridge(LINES).model_copy(update={"text": LINES["bridge.toml"].decode()})
    fields: dict[str, Any] = {
        "layout": "upstream",
        "name": "2026-04-09_LongContext",
        "folder": "2026-04-09_LongContext",
        "claim": Claim(val_bpb=CLAIM_BPB, bytes_total=30_404),
        "train": Train(command=("torchrun", script), artifact="final_model.int8.ptz"),
        "score": Score(loader=loader, sequence_length=256, stride=64),
        "bridge": facts,
    }
    return entry(SCRIPT, **(fields | changes))


def upstream_plan(track: Track | None = None, **changes: Any) -> Plan:
    """The plan of :func:`upstream_entry`, or of another ``entry``."""
    changes.setdefault("entry", upstream_entry())
    if changes["entry"].only_reproduced:
        changes = {"bar": None, "test": None, **changes}
    return plan(track, **changes)


def early(draw: Draw, **changes: Any) -> EarlySealFacts:
    """The artifact of a draw, taken when the script read it back, and the same at the end."""
    fields: dict[str, Any] = {
        "by": "read",
        "seconds": 14.0,
        "artifact": sealed(weights(draw.seed)),
        "at_end": "same",
    }
    return EarlySealFacts(**(fields | changes))


def whole_phase(label: str, draw: Draw, **changes: Any) -> PhaseFacts:
    """A script that went on to its own evaluation, which took as long again."""
    fields: dict[str, Any] = {
        "wallclock_seconds": 30.0,
        "harness_seconds_low": 29.9,
        "harness_seconds_high": 30.2,
        "early": early(draw),
    }
    return phase(label, **(fields | changes))


def blind_run(made: Plan, draw: Draw, bpb: float = GOOD_SCORES[0], **parts: Any) -> Run:
    """A blind run of a script: its artifact was sealed while it ran on."""
    unasked = {"scores": None, "probes": None, "recall": None, "spread": None}
    fields: dict[str, Any] = {
        "train": whole_phase("train", draw),
        "shown": shown(made, draw),
        **({} if made.entry.asked else unasked),
    }
    return seed_run(draw, bpb, **(fields | parts))


def again(
    draw: Draw,
    bpb: float = CLAIM_BPB,
    *,
    loss: float | None = None,
    ran: PhaseFacts | None = None,
    failure: Failure | None = None,
    **changes: Any,
) -> Run:
    """The whole script on the true split, which printed ``bpb``, and ``loss`` beside it."""
    ran = ran or whole_phase("reproduce", draw)
    artifact = ran.early.artifact if ran.early else None
    claimed = ClaimedScore(
        val_bpb=bpb, val_loss=loss, line=120, artifact=artifact, sealed_seconds=14.0
    )
    facts = StepFacts(
        name="reproduce",
        phases=(ran,),
        result=None if failure else claimed,
        failure=failure,
    )
    fields = {"role": draw.role, "attempt": 1, "host": host(), "steps": (facts,), "ended": True}
    return Run(draw=draw.number, seed=draw.seed, **(fields | changes))


def upstream_runs(
    made: Plan,
    values: Sequence[float] = GOOD_SCORES,
    *,
    printed: float | None = CLAIM_BPB,
    proof: BridgeProof | None = None,
    own_evaluation: OwnEvaluation | None = None,
    **parts: Any,
) -> list[Run]:
    """All runs of a plan of a script that went well; ``printed``: last, None: that was not yet.

    Each blind run consists of ``parts``.
    """
    if proof is None and not made.entry.asked:
        proof = BridgeProof(
            our_loss=None, printed_loss=None, tolerance_nats=1e-5, startup_seconds=12.5
        )
    draws = made.draws_for("look", "confirmation")
    runs = [
        preparation(made, bridge=proof, own_evaluation=own_evaluation),
        *(blind_run(made, draw, bpb, **parts) for draw, bpb in zip(draws, values, strict=False)),
    ]
    if printed is not None:
        runs += [again(draw, printed) for draw in made.draws_for("reproduction")]
    return runs
