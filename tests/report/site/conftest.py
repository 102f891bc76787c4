"""The browser that pages of a site are looked at with, too."""

from tests.report.html.conftest import browser

__all__ = ["browser"]
