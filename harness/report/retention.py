"""What is kept and no longer needed, drawn for terminals."""

from collections.abc import Sequence

from rich.console import RenderableType

from harness.report.blocks import Paragraph, Row, Stack, Table
from harness.report.terminal import draw
from harness.run.retention import Needless


def needless_table(found: Sequence[Needless]) -> RenderableType:
    """A row for each, and what all of them take."""
    if not found:
        return draw(Paragraph("Nothing is kept that is not needed."))
    rows = [Row((each.why, f"{each.bytes:,}"), str(each.path)) for each in found]
    total = sum(each.bytes for each in found)
    said = f"{total:,} bytes in all. Plans, evidence, logs and code stay, and can be judged again."
    table = Table(("what", "bytes"), 1, rows, notes="where")
    return draw(Stack((table, Paragraph(said)), apart=True))
