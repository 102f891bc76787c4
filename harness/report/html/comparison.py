"""The page of recipes side by side: what a terminal shows of them, and pictures."""

from collections.abc import Iterator, Sequence

from harness.judge.side_by_side import SideBySide
from harness.report.blocks import Block, Heading
from harness.report.html.page import Link, Page, render_page
from harness.report.html.sectioned import chapters_of, contents_of, sectioned
from harness.report.pictures.recipes import difference_intervals, recipe_points
from harness.report.recipes import comparison_blocks
from harness.safeio.text import plain

_NAME_LIMIT = 40


def render_comparison(found: SideBySide, *, drawn: bool = True, above: Sequence[Link] = ()) -> str:
    """The page as one file of HTML, ending in a newline.

    Args:
        found: the comparison.
        drawn: whether pictures are drawn; if not, their figures stand in their place.
        above: ways to the pages that this one hangs under.
    """
    names = [plain(recipe.names[0], _NAME_LIMIT) for recipe in found.recipes[:3]]
    more = " and others" if len(found.recipes) > len(names) else ""
    chapters = chapters_of(_with_pictures(found))
    title = f"{', '.join(names)}{more}: side by side"
    page = Page(
        title=title,
        heading=title,
        body=sectioned(chapters, drawn=drawn),
        above=above,
        contents=contents_of(chapters),
        foot="The seed run is the unit of every test here; documents only say where.",
    )
    return render_page(page)


def _with_pictures(found: SideBySide) -> Iterator[Block]:
    yield Heading("Is one better than the other?")
    for block in comparison_blocks(found):
        if isinstance(block, Heading) and block.title == "Recipes":
            pictures = (difference_intervals(found), recipe_points(found))
            yield from (each for each in pictures if each is not None)
        yield block
