"""The page of one verification: every section of the scorecard, and pictures."""

from collections.abc import Sequence

from harness.report.html.blocks import draw
from harness.report.html.explained import TITLE, WORDS, lead_of, words_of
from harness.report.html.page import Link, Page, render_page
from harness.report.html.pictures import draw_picture
from harness.report.html.templating import fill
from harness.report.sections import Part, parts
from harness.report.shown import Shown
from harness.safeio.text import plain

_NAME_LIMIT = 80
_ONLY_A_VERDICT = (
    "Drawn from a verdict alone: what lies in its run directory (logs, documents, times, weights) "
    "is not shown."
)
_MISSING = "Not shown, because it needs the run directory and only a verdict is at hand:"
_WITH_EVIDENCE = "Drawn from a run directory, judged again as it was read."


def render_report(shown: Shown, *, drawn: bool = True, above: Sequence[Link] = ()) -> str:
    """The page as one file of HTML, ending in a newline.

    Args:
        shown: the verdict, and the exhibits where a run directory is at hand.
        drawn: whether pictures are drawn; if not, their figures stand in their place, which takes
            a hundredth of the time.
        above: ways to the pages that this one hangs under.
    """
    name = plain(shown.verdict.submission, _NAME_LIMIT)
    every = list(parts(shown, "html"))
    found = [part for part in every if not part.missing]
    ready = [
        {
            "id": part.id,
            "title": part.title,
            "block": draw(part.block, drawn=drawn),
            "pictures": [draw_picture(each, drawn=drawn) for each in part.pictures],
        }
        for part in found
    ]
    explained = {"id": WORDS, "title": TITLE, "block": draw(words_of(shown.verdict))}
    ready.append(explained | {"pictures": []})
    contents = [Link(f"#{part.id}", part.title) for part in found if part.title]
    page = Page(
        title=f"{name}: {shown.verdict.verdict}",
        body=fill("report.html", parts=ready, missing=_missing(every), lead=lead_of(shown.verdict)),
        above=above,
        contents=[*contents, Link(f"#{WORDS}", TITLE)],
        foot=_ONLY_A_VERDICT if shown.exhibits is None else _WITH_EVIDENCE,
    )
    return render_page(page)


def _missing(every: Sequence[Part]) -> str:
    """One sentence on all sections that only a run directory could fill; empty where it did."""
    titles = [plain(part.title, _NAME_LIMIT) for part in every if part.missing]
    return f"{_MISSING} {'; '.join(titles)}." if titles else ""
