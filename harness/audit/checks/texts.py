"""The text that was scored: an identity that reveals a wrong byte count or a missing part.

Tokens x nats per token = nats of the text; nats / (ln 2 x bits per byte) = bytes of the text.
The validation text is the same for everybody, whatever the tokenizer.
"""

import math
import re
from collections.abc import Iterator

from harness.audit.findings import AuditCheck
from harness.audit.summary import Evidence
from harness.audit.verdicts import at, check
from harness.contest.track import Track
from harness.models import Status
from harness.upstream.logs.lexing import number
from harness.upstream.logs.logged import LoggedRun

# The first 50,000 FineWeb documents, as UTF-8; the result for every honest log.
TEXT_BYTES = 151_080_891
# The edition of the text before it, which the field's first entries were scored on.
OLDER_TEXT_BYTES = 155_769_746
OLDER_UNTIL = "2026-03-18"
# Bytes of today's text per token, by the name in a tokenizer's path.
BYTES_PER_TOKEN = {"1024": 2.43592, "8192": 3.7266}
# Allows for dropped tails, and byte-order marks at the end of a batch; 0.0003 BPB.
_TEXT_TOLERANCE = 3e-4
_PLAIN_TOKENIZER = re.compile(r"(?:^|/)fineweb_(\d{3,6})_bpe\.model$")


def text_checks(evidence: Evidence) -> Iterator[AuditCheck]:
    """The check ``denominator``."""
    yield _denominator(evidence)


def is_known_text(track: Track) -> bool:
    """Whether the text of a track's dataset is the text of ``TEXT_BYTES``."""
    return track.dataset.name.startswith("fineweb")


def bytes_per_token(run: LoggedRun) -> float | None:
    """Bytes of text per token, computed from a run's loss and score."""
    if not run.val_bpb or not run.val_loss:
        return None
    return run.val_loss / (math.log(2) * run.val_bpb)


def _denominator(evidence: Evidence) -> AuditCheck:
    unknown = check("denominator", "unknown", "no log has loss, score and tokens to compare")
    if not is_known_text(evidence.track):
        return check("denominator", "unknown", "the text of this track's dataset is not known")
    results = [
        (abs(found[1] - found[2]) / found[2] - found[3], run, found)
        for run in evidence.runs
        if (found := _implied(run))
    ]
    if not results:
        return unknown
    excess, run, (what, implied, expected, _, unit) = max(results, key=lambda result: result[0])
    places = (at(run, "val_bpb"), at(run, "tokens"))
    partial = [r for r in evidence.runs if _fraction(r) < 1.0]
    if partial:
        share = _fraction(partial[0])
        sentence = f"{partial[0].log} scored a part of the validation documents: {share:g}"
        return check("denominator", "fail", sentence, at(partial[0], "val_bpb"))
    if excess > 0:
        status, said = _is_off(evidence, run, (what, implied, expected, unit))
        return check("denominator", status, f"{run.log}: {what}: {_shown(implied)} {unit}, {said}",
                     *places, measured=implied, limit=expected, unit=unit)  # fmt: skip
    if len(results) < len(evidence.runs):
        return check(
            "denominator",
            "unknown",
            f"{len(results)} of {len(evidence.runs)} runs can be compared, and agree",
            *places,
        )
    sentence = f"{what}: {_shown(implied)} {unit}, as the validation text has"
    return check("denominator", "pass", sentence, *places,
                 measured=implied, limit=expected, unit=unit)  # fmt: skip


def _implied(run: LoggedRun) -> tuple[str, float, float, float, str] | None:
    """(what, implied, expected, tolerance, unit), by the form that a run's figures allow."""
    ratio = bytes_per_token(run)
    if ratio is None or not run.val_bpb or not run.val_loss:
        return None
    digit = 0.5 * 10.0**-run.val_decimals
    tolerance = _TEXT_TOLERANCE + digit / run.val_bpb + digit / run.val_loss
    if run.tokens:
        implied = run.tokens * ratio
        return "the text that tokens, loss and score imply", implied, TEXT_BYTES, tolerance, "bytes"
    plain = _PLAIN_TOKENIZER.search(run.tokenizer or "")
    known = BYTES_PER_TOKEN.get(plain[1]) if plain else None
    if known is None:
        return None
    return "bytes per token, by loss and score,", ratio, known, tolerance, "bytes per token"


def _is_off(
    evidence: Evidence, run: LoggedRun, found: tuple[str, float, float, str]
) -> tuple[Status, str]:
    """What is said of a text that is not today's."""
    _, implied, expected, unit = found
    if unit == "bytes" and _is_older(implied, run):
        of_then = (evidence.date or "9999")[: len(OLDER_UNTIL)] <= OLDER_UNTIL
        return "unknown" if of_then else "fail", (
            f"as the older edition of the text has, which was replaced after {OLDER_UNTIL}; "
            f"today's has {_shown(expected)}, and scores on both cannot be compared"
        )
    off = 100 * (implied / expected - 1)
    return "fail", (
        f"{off:+.2f} % from {_shown(expected)}: another text, a part of it, or its bytes counted "
        "wrong"
    )


def _is_older(implied: float, run: LoggedRun) -> bool:
    digit = 0.5 * 10.0**-run.val_decimals
    tolerance = _TEXT_TOLERANCE + digit / (run.val_bpb or 1) + digit / (run.val_loss or 1)
    return abs(implied / OLDER_TEXT_BYTES - 1) <= tolerance


def _fraction(run: LoggedRun) -> float:
    figure = number(run.hyperparameters.get("val_doc_fraction", ""))
    return figure.value if figure and 0 < figure.value < 1 else 1.0


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure > 1000 else f"{figure:.5f}"
