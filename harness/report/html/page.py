"""The frame of every page: title, way, style, scripts, and a policy that forbids all else.

A page is one file. Its policy (Content-Security-Policy) lets a browser use the style and the
scripts whose hashes it names, and nothing from elsewhere: no picture, no font, no request, no
script that came with a stranger's text.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup

from harness.package import VERSION
from harness.report.html.templating import fill
from harness.safeio.text import plain, storable

_HERE = Path(__file__).parent
TITLE_LIMIT = 120
_ABOUT_LIMIT = 600
_FEWEST_PLACES = 2
"""A list of one place leads nowhere that is not seen."""


@dataclass(frozen=True)
class Link:
    """A way to another page, or to a place of this one; ``href`` is ours, ``text`` anybody's."""

    href: str
    text: str


@dataclass(frozen=True)
class Page:
    """What stands in a frame.

    Attributes:
        title: of the window; also the heading where ``heading`` is not empty.
        body: what :mod:`harness.report.html.blocks` and templates made.
        heading: above the body; empty where the body brings its own.
        about: below the heading, for who has never seen such a page.
        above: ways to the pages that this one hangs under, the topmost first.
        contents: places of this page.
        scripts: names of files in ``scripts/``, which a page must do without where they are off.
        foot: a sentence about where the page comes from.
    """

    title: str
    body: Markup
    heading: str = ""
    about: str = ""
    above: Sequence[Link] = ()
    contents: Sequence[Link] = ()
    scripts: Sequence[str] = ()
    foot: str = ""


def render_page(page: Page) -> str:
    """The page as one file of HTML, ending in a newline; it depends on nothing but ``page``."""
    style = stylesheet()
    scripts = [script(name) for name in page.scripts]
    return storable(
        fill(
            "page.html",
            page=page,
            title=plain(page.title, TITLE_LIMIT),
            heading=plain(page.heading, TITLE_LIMIT),
            about=plain(page.about, _ABOUT_LIMIT),
            above=_links(page.above),
            contents=_links(page.contents) if len(page.contents) >= _FEWEST_PLACES else (),
            style=Markup(style),  # noqa: S704 - our own file
            scripts=[Markup(each) for each in scripts],  # noqa: S704 - our own files
            policy=policy(style, scripts),
            foot=plain(page.foot, 400),
            version=VERSION,
        )
        + "\n"
    )


def _links(links: Sequence[Link]) -> list[Link]:
    return [Link(each.href, plain(each.text, TITLE_LIMIT)) for each in links]


def policy(style: str, scripts: Sequence[str]) -> str:
    """The Content-Security-Policy of a page with this style and these scripts."""
    allowed = {"default-src": ["'none'"], "style-src": [_hash_of(style)]}
    if scripts:
        allowed["script-src"] = [_hash_of(each) for each in scripts]
    allowed |= {"base-uri": ["'none'"], "form-action": ["'none'"]}
    return "; ".join(" ".join([name, *sources]) for name, sources in allowed.items())


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def stylesheet() -> str:
    """The one stylesheet of all pages."""
    return (_HERE / "style.css").read_text(encoding="utf-8")


@cache
def script(name: str) -> str:
    """One of our scripts, which only adds to what can be read and used without it."""
    return (_HERE / "scripts" / name).read_text(encoding="utf-8")
