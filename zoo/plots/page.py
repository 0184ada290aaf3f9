"""Templates -> HTML pages that stand by themselves, and Markdown."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from zoo.errors import printable

PACKAGE = __name__.rpartition(".")[0]


def page_style() -> str:
    """The style of every page."""
    return files(PACKAGE).joinpath("templates/page.css").read_text(encoding="utf-8")


def render_page(template: str, *, package: str = PACKAGE, **said: Any) -> str:
    """Fill a template in; all text that the template does not call safe is escaped and steers no terminal.

    Args:
        template: its file's name, `report.html.j2`, or `card.md.j2`; in Markdown `| code` makes a text code.
        package: in whose folder `templates` it lies.
        said: what the template speaks of.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # here: few who import this write a page
    from markupsafe import Markup

    from zoo.evaluation import escape_markdown, markdown_code

    def show(value: Any) -> Any:
        if not isinstance(value, str) or isinstance(value, Markup):
            return value
        return Markup(escape_markdown(value)) if template.endswith(".md.j2") else printable(value)

    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        finalize=show,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = lambda text: Markup(markdown_code(text))
    return environment.get_template(template).render(said) + "\n"
