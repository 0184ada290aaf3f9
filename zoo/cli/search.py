"""`zoo search`: filters by words, in the registries of this machine and on the Hub."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import fields_of, json_option, print_json, print_table, say
from zoo.errors import UsageError, ZooError, one_line
from zoo.store import RegistryEntry, all_entries

if TYPE_CHECKING:
    from zoo.hub import HubModel

COLUMNS = ("name", "where", "backbone", "licence", "downloads", "likes", "updated")
NARROWEST = 8  # characters that a column may be cut to
WIDTH = 200  # characters of a line where the terminal's width is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What `zoo info` and `zoo fetch` take, and what is known of it."""

    name: str  # a registry's, or owner/name
    where: str  # "registry", "Hub"
    backbone: str
    cut: str = ""
    license: str = ""
    about: str = ""
    registry: str = ""  # the file or package that has the name
    model: HubModel | None = None


@click.command()
@click.argument("words", nargs=-1)
@click.option("--author", metavar="NAME", help="Only filters of this user or organisation of the Hub.")
@click.option(
    "--sort",
    type=click.Choice(["downloads", "likes", "updated", "created", "trending"]),
    default="downloads",
    help="The order of the Hub's results, the most or newest first.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="Results from the Hub, at most.")
@click.option("--token", metavar="TOKEN", help="A Hub access token; HF_TOKEN or the stored login by default.")
@click.option("--offline", is_flag=True, help="Do not use the network; search only the registries on this machine.")
@json_option
def search(
    words: tuple[str, ...], author: str | None, sort: str, limit: int, token: str | None, offline: bool, as_json: bool
) -> None:
    """Search for filters whose name or description contains all WORDS, in the registries and on the Hub.

    On the Hub, repositories with the tag feature-filters are searched. Each name found works with `zoo info` and
    `zoo fetch`.

    \b
    zoo search plankton vgg16
    """
    from zoo.hub import endpoint, is_offline, search_hub

    terms = [part for word in words for part in word.split()]
    offline = offline or is_offline()
    problems: list[ZooError] = []
    found = _in_registries(terms, author, problems)
    for problem in problems:
        say(f"Passed over: {problem}")
    if not offline:
        try:
            found = _with_hub(found, search_hub(terms, author=author, sort=sort, limit=limit, token=token))
        except UsageError:
            raise
        except ZooError as error:
            if not found:
                raise
            say(f"Only the registries were searched. {error}")
            offline = True
    if as_json:
        print_json([_as_json(one) for one in found])
        return
    if not found:
        where = "the registries of this machine" + ("" if offline else f" and {endpoint()}")
        said = f"{' '.join(terms)!r}" if terms else "all filters"
        by = f" of {author}" if author else ""
        say(f"Nothing was found for {said}{by} in {where}. Run `zoo list` for the names that there are.")
        return
    rows = fit_columns([_row(one) for one in found], COLUMNS, may_shrink=("backbone", "licence"))
    print_table(COLUMNS, rows, right=("downloads", "likes"))
    say(f"Next: zoo info {found[0].name}")


def fit_columns(
    rows: Sequence[Sequence[str]], columns: Sequence[str], *, may_shrink: Sequence[str]
) -> list[tuple[str, ...]]:
    """The rows with long cells cut, so that a line fits the terminal where that is possible.

    Args:
        rows: the cells.
        columns: the headings.
        may_shrink: the columns that may be cut, the widest of them first; the others are needed whole.
    """
    available = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [columns, *cells]) for i in range(len(columns))]
    shrinking = [columns.index(name) for name in may_shrink]
    while sum(widths) + 2 * (len(widths) - 1) > available:
        widest = max(shrinking, key=lambda i: widths[i])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    return [tuple(_cut(cell, width) for cell, width in zip(row, widths, strict=True)) for row in cells]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _in_registries(words: Sequence[str], author: str | None, problems: list[ZooError]) -> list[SearchResult]:
    """The entries whose name or description contains all words."""
    found = []
    for entry in all_entries(problems=problems).values():
        said = "\n".join((entry.name, entry.backbone, entry.cut, entry.about, entry.license)).lower()
        if not all(word.lower() in said for word in words):
            continue
        if author and not any(repo.startswith(f"{author.lower()}/") for repo in _repos(entry)):
            continue
        found.append(
            SearchResult(
                name=entry.name,
                where="registry",
                backbone=entry.backbone,
                cut=entry.cut,
                license=entry.license,
                about=entry.about,
                registry=entry.origin,
            )
        )
    return found


def _repos(entry: RegistryEntry) -> set[str]:
    """The repositories of the Hub that an entry's sources are, in lower case."""
    plain = (source.removeprefix("hf://").partition("@")[0] for source in entry.sources)
    return {text.lower() for text in plain if text.count("/") == 1 and not text.startswith((".", "~", "package:"))}


def _with_hub(found: list[SearchResult], models: Sequence[HubModel]) -> list[SearchResult]:
    """The registries' names first; a repository that one of them stands for is not listed twice."""
    entries = all_entries(problems=[])
    left = {model.repo.lower(): model for model in models}
    joined = []
    for one in found:
        same = [left[repo] for repo in _repos(entries[one.name]) if repo in left]
        joined.append(replace(one, where="registry, Hub", model=same[0]) if same else one)
        for model in same:
            left.pop(model.repo.lower(), None)
    for model in left.values():
        # A folder of that name would be taken for it.
        name = f"hf://{model.repo}" if Path(model.repo).is_dir() else model.repo
        joined.append(
            SearchResult(
                name=name,
                where="Hub",
                backbone=model.backbone or model.base_model,
                cut=model.cut,
                license=model.license,
                about="",
                model=model,
            )
        )
    return joined


def _row(found: SearchResult) -> tuple[str, ...]:
    model = found.model
    popularity = ("", "", "")
    if model is not None:
        popularity = (_format_number(model.downloads), _format_number(model.likes), model.updated[:10])
    return (found.name, found.where, found.backbone, found.license, *popularity)


def _format_number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _as_json(found: SearchResult) -> dict[str, Any]:
    model = found.model
    said = fields_of(found, "name", "where", "backbone", "cut", "license", "about")
    said |= {"registry": found.registry or None, "repo": None}
    if model is not None:
        said |= fields_of(model, "repo", "commit", "downloads", "likes", "updated", "created", "private")
        said |= {"gated": model.gated or None, **fields_of(model, "task", "datasets", "tags")}
    return said
