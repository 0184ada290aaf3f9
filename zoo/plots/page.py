"""Templates -> HTML pages that stand by themselves, and Markdown."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from zoo.errors import one_line, printable

PACKAGE = __name__.rpartition(".")[0]
_MARKUP = re.compile(r"([\\`*<|]|\](?=[(\[:]))")


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


def escape_markdown(text: object) -> str:
    """A text in one line that Markdown shows as it is: no links, no HTML, no further cell of a table."""
    return _MARKUP.sub(r"\\\1", one_line(text))


def markdown_code(text: object) -> str:
    """A text in one line as Markdown's code; what it holds cannot end it."""
    said = one_line(text)
    fence = "`" * (max(map(len, re.findall("`+", said)), default=0) + 1)
    space = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{space}{said}{space}{fence}"
