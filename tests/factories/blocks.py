"""What a block says, piece by piece, for tests that look for it in a drawing."""

from collections.abc import Iterator

from harness.report import blocks
from harness.report.blocks import Block, Cell


def parts_of(block: Block) -> Iterator[Block]:
    """The block itself, or all that are stacked in it."""
    if isinstance(block, blocks.Stack):
        for inner in block.blocks:
            yield from parts_of(inner)
    else:
        yield block


def cells_of(block: Block) -> Iterator[Cell]:
    """Every piece of text in a block, curves left aside."""
    for part in parts_of(block):
        match part:
            case blocks.Heading():
                yield part.title
            case blocks.Banner():
                yield part.title
                yield from part.lines
            case blocks.Paragraph():
                yield part.text
            case blocks.Pairs():
                for label, value in part.rows:
                    yield from (label, value)
            case blocks.Table():
                for row in part.rows:
                    yield from (*row.cells, row.note)
            case blocks.Bars():
                for bar in part.bars:
                    yield from (bar.label, bar.text)
            case blocks.Curve():
                pass
            case _:
                raise AssertionError(f"a block that this walk does not know: {part}")


def wrapped(text: str) -> list[str]:
    """The lines of a scorecard but for those that hold what is copied: they are never broken."""
    copied = ("  open ", "  next ", "  directory ")
    return [line for line in text.splitlines() if not line.startswith(copied)]
