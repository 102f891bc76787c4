"""Where the bytes of an artifact go, drawn for terminals: a pure function of an inspection."""

from collections import defaultdict

from rich.console import RenderableType

from harness.report.blocks import (
    Bar,
    Bars,
    Block,
    Heading,
    Pairs,
    Paragraph,
    Row,
    Stack,
    Table,
    Words,
)
from harness.report.figures import number
from harness.report.terminal import draw
from harness.run.inspect_artifact import Inspection, TensorFacts
from harness.safeio.text import plain


def inspection_table(inspection: Inspection) -> RenderableType:
    """Totals, a bar for each stored type, a table of tensors, and remarks."""
    return draw(
        Stack(
            (
                _totals(inspection),
                Heading("Share of the artifact by stored type"),
                _by_type(inspection),
                Heading("Tensors, the largest first"),
                Paragraph(Words("As the submission describes its own artifact.", "dim")),
                _tensors(inspection),
                *_warnings(inspection),
            )
        )
    )


def _totals(inspection: Inspection) -> Block:
    total = inspection.artifact_bytes + inspection.code_bytes
    weights = sum(_weights(tensor) for tensor in inspection.tensors)
    described = sum(tensor.compressed_bytes for tensor in inspection.tensors)
    left = inspection.bytes_limit - total
    rows = [
        ("submission", plain(inspection.submission, 100)),
        ("artifact", f"{plain(inspection.artifact, 100)}, {inspection.artifact_bytes:,} bytes"),
        ("code", f"{inspection.code_bytes:,} bytes"),
        (
            "together",
            f"{total:,} of {inspection.bytes_limit:,} bytes, "
            f"{abs(left):,} {'left' if left >= 0 else 'over'}",
        ),
        ("weights", f"{weights:,} in {len(inspection.tensors):,} tensors"),
        ("container", f"{inspection.artifact_bytes - described:,} bytes outside the tensors"),
    ]
    return Pairs(rows)


def _by_type(inspection: Inspection) -> Block:
    shares: defaultdict[str, int] = defaultdict(int)
    for tensor in inspection.tensors:
        shares[plain(tensor.stored, 40)] += tensor.compressed_bytes
    whole = max(inspection.artifact_bytes, 1)
    return Bars(
        [
            Bar(stored, used, whole, f"{used:,} bytes, {100 * used / whole:.1f} %")
            for stored, used in sorted(shares.items(), key=lambda item: -item[1])
        ]
    )


def _tensors(inspection: Inspection) -> Block:
    headings = ("tensor", "stored", "shape", "bits/weight", "bytes", "compressed", "share", "error")
    ordered = sorted(inspection.tensors, key=lambda tensor: -tensor.compressed_bytes)
    return Table(headings, 2, [_row(tensor, inspection) for tensor in ordered])


def _row(tensor: TensorFacts, inspection: Inspection) -> Row:
    error = tensor.rms_error
    return Row(
        (
            plain(tensor.name, 60),
            plain(tensor.stored, 40),
            " x ".join(f"{size:,}" for size in tensor.shape) or "1",
            f"{tensor.bits_per_weight:.2f}",
            number(tensor.bytes),
            number(tensor.compressed_bytes),
            f"{100 * tensor.compressed_bytes / inspection.bytes_limit:.2f} %",
            "" if error is None else f"{error:.2e}",
        )
    )


def _warnings(inspection: Inspection) -> list[Block]:
    if not inspection.warnings:
        return []
    lines = [Paragraph(Words(plain(w, 300), "unknown")) for w in inspection.warnings]
    return [Heading("Worth a look"), *lines]


def _weights(tensor: TensorFacts) -> int:
    count = 1
    for size in tensor.shape:
        count *= size
    return count
