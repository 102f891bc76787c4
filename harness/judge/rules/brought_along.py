"""Whether a submission brings along no more than code.

Why a compressed size bounds all that can be brought, in whatever form, is said in
:mod:`harness.contest.brought_along`. Beyond the limit it fails, for review: the rule cannot tell
weights from an honest table. Below, what exceeds the free bytes is a doubt that the score bears.
"""

from harness.contest.brought_along import counted_bytes, in_words, tokenizer_bytes
from harness.judge.asked import bar_under
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.verdict import BroughtResult
from harness.models import Finding, Status
from harness.statistics.units import remembered_bpb

FILES_SHOWN = 10


def brought_result(case: Case) -> BroughtResult | None:
    """What is brought along, beside what may be; None where track or plan knows no such figure."""
    allowed, brought = case.track.brought_along, case.plan.brought
    if allowed is None or brought is None:
        return None
    normal_form = case.tokenizer.normal_form_bytes if case.tokenizer else None
    counted = counted_bytes(brought, allowed, normal_form_bytes=normal_form)
    bar = bar_under(case.plan, case.track)
    record = (bar.brought_bytes if bar else None) or 0
    free = min(max(allowed.free_bytes, record), allowed.limit_bytes)
    heaviest = sorted(brought.files, key=lambda file: (-file.compressed_bytes, file.name))
    return BroughtResult(
        bytes=brought.bytes,
        tokenizer_bytes=tokenizer_bytes(brought, normal_form_bytes=normal_form),
        tokenizer_free_bytes=allowed.tokenizer_free_bytes,
        counted_bytes=counted,
        free_bytes=free,
        limit_bytes=allowed.limit_bytes,
        doubt_bpb=doubt_bpb(counted, free_bytes=free, text_bytes=case.dataset.validation_bytes),
        container_sha256=brought.container_sha256,
        files=tuple(heaviest[:FILES_SHOWN]),
    )


def brought_doubt_bpb(case: Case) -> float | None:
    """What may be remembered text in what is brought along, in BPB of the validation text.

    8 bits for each counted byte that is not free. None where no such figure is known.
    """
    found = brought_result(case)
    return found.doubt_bpb if found else None


def doubt_bpb(counted: int, *, free_bytes: int, text_bytes: int) -> float:
    """What so many counted bytes can save of a text at most, less what is free, in BPB."""
    return remembered_bpb(max(0, counted - free_bytes), text_bytes=text_bytes)


def _brought_along(case: Case) -> Finding | None:
    found = brought_result(case)
    if found is None:
        return None
    over = found.counted_bytes - found.limit_bytes
    # Whatever becomes of its tokenizer, the rest is known before any run.
    undecided = found.tokenizer_bytes > 0 and case.tokenizer is None
    status: Status
    if over > 0 and not (undecided and found.bytes <= found.limit_bytes):
        status = "fail"
        detail = (
            f"{over:,} compressed bytes over the limit, for review: so much may be weights made "
            "beforehand, and a maintainer must see what it is"
        )
    elif undecided:
        status, detail = "unknown", "its own tokenizer is not proven yet"
    else:
        status, detail = "pass", _in_words(found)
        if case.track.rehearsal:
            worth = remembered_bpb(found.free_bytes, text_bytes=case.dataset.validation_bytes)
            detail += (
                "; a rehearsal proves nothing about remembered text: what is free could hold "
                f"{worth:.2g} BPB of so small a one"
            )
    return Finding(
        id="brought_along",
        status=status,
        measured=found.counted_bytes,
        limit=found.limit_bytes,
        unit="bytes",
        detail=detail,
    )


def _in_words(found: BroughtResult) -> str:
    free, limit = found.free_bytes, found.limit_bytes
    said = in_words(found.counted_bytes, free_bytes=free, limit_bytes=limit)
    doubt = f": a doubt of {found.doubt_bpb:.2g} BPB" if found.doubt_bpb else ""
    return f"{said}, compressed{doubt}"


BROUGHT_ALONG = Rule(
    "brought_along",
    "All that comes besides the artifact, compressed, is no more than code may be.",
    _brought_along,
    better="lower",
    per_seed=True,
)
