"""Templates -> HTML pages that stand by themselves."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

PACKAGE = __name__.rpartition(".")[0]


def page_style() -> str:
    """The style of every page."""
    return files(PACKAGE).joinpath("templates/page.css").read_text(encoding="utf-8")


def render_page(template: str, *, package: str = PACKAGE, escape: bool = True, **said: Any) -> str:
    """Fill a template in; in HTML all text is escaped that the template does not call safe.

    Args:
        template: its file's name, `report.html.j2`.
        package: in whose folder `templates` it lies.
        escape: for HTML; not for Markdown.
        said: what the template speaks of.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # here: few who import this write a page

    environment = Environment(
        loader=PackageLoader(package),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(said) + "\n"
