"""Blocks of any report as sections of a page: each heading begins one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from harness.report.blocks import Block, Heading, Picture, words
from harness.report.html.blocks import draw
from harness.report.html.page import Link
from harness.report.html.pictures import draw_picture
from harness.report.html.templating import fill


@dataclass
class Chapter:
    """A heading and what stands below it; the first one of a page may have none."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def chapters_of(blocks: Iterable[Block]) -> list[Chapter]:
    """Blocks, apart at every heading; pictures stand behind the others of their chapter."""
    found = [Chapter("")]
    for block in blocks:
        if isinstance(block, Heading):
            found.append(Chapter(words(block.title).text))
        elif isinstance(block, Picture):
            found[-1].pictures.append(block)
        else:
            found[-1].blocks.append(block)
    return [each for each in found if each.blocks or each.pictures]


def sectioned(chapters: Sequence[Chapter], *, drawn: bool = True) -> Markup:
    """The sections of a page."""
    parts = [
        {
            "id": _id(number),
            "title": chapter.title,
            "block": Markup("\n").join(
                draw(block, drawn=drawn, level=3) for block in chapter.blocks
            ),
            "pictures": [draw_picture(each, drawn=drawn) for each in chapter.pictures],
        }
        for number, chapter in enumerate(chapters)
    ]
    return fill("report.html", parts=parts, missing="", lead=None)


def contents_of(chapters: Sequence[Chapter]) -> list[Link]:
    """The ways to them."""
    return [
        Link(f"#{_id(number)}", chapter.title)
        for number, chapter in enumerate(chapters)
        if chapter.title
    ]


def _id(number: int) -> str:
    return f"part-{number}"
