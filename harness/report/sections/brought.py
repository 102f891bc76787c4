"""The section on what was brought along besides the artifact."""

from harness.contest.brought_along import in_words
from harness.judge.verdict import Verdict
from harness.report.blocks import Block, Pairs, Paragraph, Row, Stack, Style, Table, Words
from harness.report.figures import number
from harness.report.sentences import NAME_LIMIT
from harness.safeio.text import plain

_FILES = 5


def brought_along(verdict: Verdict) -> Block | None:
    """What of the allowance was used, by which files, and the doubt that is left."""
    found = verdict.brought
    if found is None:
        return None
    free, limit = found.free_bytes, found.limit_bytes
    counted = in_words(found.counted_bytes, free_bytes=free, limit_bytes=limit)
    style: Style = "plain"
    if found.counted_bytes > free:
        style = "fail" if found.counted_bytes > limit else "unknown"
    rows: list[tuple[str, str | Words]] = [("brought along", Words(counted, style))]
    if found.tokenizer_bytes:
        rows.append(
            (
                "own tokenizer",
                f"{found.tokenizer_bytes:,} bytes compressed, of which "
                f"{found.tokenizer_free_bytes:,} are free",
            )
        )
    if found.doubt_bpb:
        rows.append(
            (
                "doubt",
                f"{number(found.doubt_bpb, 'BPB')} BPB: 8 bits for each byte that is not free",
            )
        )
    words = (
        "Code and settings, compressed: no form in which they hide anything makes them hold more. "
        "Each file by itself:"
    )
    files = [
        Row((plain(file.name, NAME_LIMIT), f"{file.bytes:,}", f"{file.compressed_bytes:,}"))
        for file in found.files[:_FILES]
    ]
    table = Table(("", "bytes", "compressed"), 1, files)
    return Stack((Pairs(rows), Paragraph(Words(words, "dim")), table))
