"""Where the bytes of an artifact go, drawn for terminals: a pure function of an inspection."""

from collections import defaultdict

from rich.console import Group, RenderableType
from rich.text import Text

from harness.report.figures import number
from harness.report.layout import Bar, BudgetBars, FigureTable, Pairs, Paragraph, Row, Section
from harness.run.inspect_artifact import Inspection, TensorFacts
from harness.safeio.text import plain


def inspection_table(inspection: Inspection) -> RenderableType:
    """Totals, a bar for each stored type, a table of tensors, and what deserves a look."""
    return Group(
        _totals(inspection),
        Section("Share of the artifact by stored type"),
        _by_type(inspection),
        Section("Tensors, the largest first"),
        Paragraph(Text("As the submission describes its own artifact.", style="dim")),
        _tensors(inspection),
        *_warnings(inspection),
    )


def _totals(inspection: Inspection) -> RenderableType:
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
    return Pairs([(label, Text(value)) for label, value in rows])


def _by_type(inspection: Inspection) -> RenderableType:
    shares: defaultdict[str, int] = defaultdict(int)
    for tensor in inspection.tensors:
        shares[plain(tensor.stored, 40)] += tensor.compressed_bytes
    whole = max(inspection.artifact_bytes, 1)
    return BudgetBars(
        [
            Bar(stored, used, whole, f"{used:,} bytes, {100 * used / whole:.1f} %")
            for stored, used in sorted(shares.items(), key=lambda item: -item[1])
        ]
    )


def _tensors(inspection: Inspection) -> RenderableType:
    headings = ("tensor", "stored", "shape", "bits/weight", "bytes", "compressed", "share", "error")
    ordered = sorted(inspection.tensors, key=lambda tensor: -tensor.compressed_bytes)
    return FigureTable(headings, 2, [_row(tensor, inspection) for tensor in ordered])


def _row(tensor: TensorFacts, inspection: Inspection) -> Row:
    error = tensor.rms_error
    return Row(
        (
            Text(plain(tensor.name, 60)),
            Text(plain(tensor.stored, 40)),
            Text(" x ".join(f"{size:,}" for size in tensor.shape) or "1"),
            Text(f"{tensor.bits_per_weight:.2f}"),
            Text(number(tensor.bytes)),
            Text(number(tensor.compressed_bytes)),
            Text(f"{100 * tensor.compressed_bytes / inspection.bytes_limit:.2f} %"),
            Text("" if error is None else f"{error:.2e}"),
        )
    )


def _warnings(inspection: Inspection) -> list[RenderableType]:
    if not inspection.warnings:
        return []
    lines = [Paragraph(Text(plain(w, 300), style="yellow")) for w in inspection.warnings]
    return [Section("Worth a look"), *lines]


def _weights(tensor: TensorFacts) -> int:
    count = 1
    for size in tensor.shape:
        count *= size
    return count
