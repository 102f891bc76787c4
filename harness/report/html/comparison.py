"""The page of recipes side by side: what a terminal shows of them, and pictures."""

from collections.abc import Iterator, Sequence

from harness.judge.side_by_side import Recipe, SideBySide
from harness.report.blocks import Block, Heading, Pairs
from harness.report.html.explained import CONTEST, TITLE, meanings
from harness.report.html.page import Link, Page, render_page
from harness.report.html.sectioned import chapters_of, contents_of, sectioned
from harness.report.pictures.recipes import difference_intervals, recipe_points
from harness.report.recipes import comparison_blocks
from harness.report.sentences import NAME_LIMIT
from harness.safeio.text import plain

_NAME_LIMIT = 40
_MOST_NAMED = 12
_RECIPES = (
    "A recipe is the code of an entry. Each was trained here from one or more seeds, and the "
    "difference of mean scores is held against what luck does from one training to the next."
)


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
    page = Page(
        title=f"{', '.join(names)}{more}: side by side",
        heading="Recipes side by side",
        about=f"{CONTEST} {_RECIPES}",
        body=sectioned(chapters, drawn=drawn),
        above=above,
        contents=contents_of(chapters),
        foot="The seed run is the unit of every test here; documents only say where.",
    )
    return render_page(page)


def _with_pictures(found: SideBySide) -> Iterator[Block]:
    yield Heading("Is one better than the other?")
    yield Pairs([(each.label, _named(each)) for each in found.recipes[:_MOST_NAMED]])
    for block in comparison_blocks(found):
        if isinstance(block, Heading) and block.title == "Recipes":
            pictures = (difference_intervals(found), recipe_points(found))
            yield from (each for each in pictures if each is not None)
        yield block
    yield Heading(TITLE)
    yield meanings(("bpb", "nats", "seed", "interval", "p", "deviation", "doubt", "artifact"))


def _named(recipe: Recipe) -> str:
    """What a recipe is called, with how often it was verified where that is more than once."""
    more = f" and {len(recipe.names) - 1} more" if len(recipe.names) > 1 else ""
    return plain(recipe.names[0], NAME_LIMIT) + more
