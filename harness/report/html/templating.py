"""The templates of all pages, and the one way to fill them.

Whatever is filled in is escaped; only :class:`~markupsafe.Markup` that a template made is not.
"""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def environment() -> Environment:
    """Templates of ``templates/``, which escape always and know no name that is not given."""
    return Environment(
        loader=PackageLoader("harness.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def fill(template: str, **values: object) -> Markup:
    """A template, filled in; safe to be part of another one."""
    return Markup(environment().get_template(template).render(values))  # noqa: S704 - escaped there


def macro(template: str, name: str, *values: object, **named: object) -> Markup:
    """One macro of a template, filled in."""
    module = environment().get_template(template).module
    return Markup(getattr(module, name)(*values, **named))  # noqa: S704 - escaped there
