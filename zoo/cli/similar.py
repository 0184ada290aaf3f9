"""`zoo similar`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import out_option, output_options, print_json, print_table, progress_bars, say, source_options
from zoo.errors import FileError, UsageError, ZooError

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.embedding import Match, SimilarityResult

IN_A_ROW = 10  # neighbours beside their query; more are drawn as rows
COLUMNS = 8
GROUPS = 12  # groups of near-duplicates on a sheet


@click.command()
@click.argument("picture", required=False)
@click.option("--in", "files", multiple=True, metavar="FILE", help="A file that `zoo embed` wrote. Repeatable.")
@click.option("-k", "k", type=int, help="The number of pictures to list (10, or all that there are).")
@click.option("--filters", "name", help="The filters to embed PICTURE with; by default those that FILE names.")
@click.option(
    "--duplicates", metavar="FILE", help="List near-duplicates in this file, instead of PICTURE's neighbours."
)
@click.option("--threshold", type=float, default=0.99, help="Least cosine of near-duplicates, 0 to 1.")
@out_option("--sheet", help="Draw the pictures found into this PNG file.")
@source_options
@output_options
def similar(
    picture: str | None,
    files: tuple[str, ...],
    k: int | None,
    name: str | None,
    duplicates: str | None,
    threshold: float,
    sheet: Path | None,
    device: str | None,
    as_json: bool,
    quiet: bool,
    **where: Any,
) -> None:
    """Find the pictures most similar to PICTURE in a file of `zoo embed`, by cosine; or its near-duplicates.

    PICTURE is a path in the file, or any other picture, which is then embedded with the same filters.

    \b
    zoo similar photos/a.jpg --in photos.parquet --sheet similar.png
    zoo similar --duplicates photos.parquet
    """
    if (picture is None) == (duplicates is None) or (picture is not None and not files):
        raise UsageError("Run `zoo similar PICTURE --in FILE`, or `zoo similar --duplicates FILE`.")
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"{sheet}: a sheet is drawn as .png.")
    if picture is None:
        _print_duplicates([duplicates or "", *files], threshold, sheet, as_json=as_json, quiet=quiet)
        return
    from zoo.models import similar as search

    answer = search(picture, files, k=k, filters=_load(name, files, device, where))
    if sheet:
        _save(_draw(answer, picture), sheet)
    if as_json:
        matches = [{**_as_json(match), "file": str(match.file)} for match in answer.matches]
        print_json({"picture": picture, "label": answer.query.label, "matches": matches})
        return
    _print_matches(answer.matches)


def _load(name: str | None, files: Sequence[str], device: str | None, where: dict[str, Any]) -> Any:
    """The filters of `--filters`, cut as the files say; None: the files' own."""
    if name is None and device is None and not any(where.values()):
        return None
    from zoo.embedding import open_tables
    from zoo.models import load

    space = open_tables(files).tables[0].space
    return _EmbedderOnDevice(load(name or space.filters, cut=space.cut, **where), device)


class _EmbedderOnDevice:
    """Filters that embed on a device of the user's choice."""

    def __init__(self, filters: Any, device: str | None) -> None:
        self._filters, self._device = filters, device

    def embed(self, pictures: Sequence[Path | str], *, size: int | None = None, pool: str = "mean") -> Any:
        """As the filters do."""
        return self._filters.embed(pictures, size=size, pool=pool, device=self._device)


def _print_duplicates(
    files: Sequence[str], threshold: float, sheet: Path | None, *, as_json: bool, quiet: bool
) -> None:
    from zoo.embedding import find_near_duplicates

    with progress_bars(quiet=quiet) as progress:
        groups = find_near_duplicates(files, threshold=threshold, progress=progress)
    if sheet and groups:
        _save(_draw_groups(groups[:GROUPS]), sheet)
    if as_json:
        print_json([[_as_json(match) for match in group] for group in groups])
        return
    several = len({match.file for group in groups for match in group}) > 1
    for number, group in enumerate(groups):
        if number:
            click.echo()
        _print_matches(group, with_file=several)
    pictures = sum(len(group) for group in groups)
    many = f"{len(groups)} group{'' if len(groups) == 1 else 's'}"
    say(f"{pictures} pictures in {many} of near-duplicates (cosine {threshold:g} or more)")


def _print_matches(matches: Sequence[Match], *, with_file: bool = False) -> None:
    columns = ["cosine", "picture"]
    known = [key for key in ("label", "group") if any(getattr(match, key) for match in matches)]
    columns += known + (["file"] if with_file or len({match.file for match in matches}) > 1 else [])
    rows = [
        [f"{match.score:.4f}", match.path, *(getattr(match, key) or "-" for key in known), match.file][: len(columns)]
        for match in matches
    ]
    print_table(columns, rows, right=("cosine",))


def _as_json(match: Match) -> dict[str, Any]:
    return {"path": match.path, "score": match.score, "label": match.label, "group": match.group}


# ------------------------------------------------------------------------------------------------ the sheet


def _draw(answer: SimilarityResult, picture: str) -> Image:
    """The picture and its nearest; a frame says whether the label agrees, where both are known."""
    from zoo.plots import draw_neighbours, draw_sheet

    query = answer.query
    first, *images = _open_all([(query.path or picture, None), *((one.path, one.file) for one in answer.matches)])
    captions = [_caption(match) for match in answer.matches]
    title = query.label or Path(query.path or picture).name
    if len(images) > IN_A_ROW:
        return draw_sheet([first, *images], [f"query: {title}", *captions], columns=COLUMNS)
    agree = None
    if query.label is not None and all(match.label is not None for match in answer.matches):
        agree = [[match.label == query.label for match in answer.matches]]
    return draw_neighbours([first], [images], captions=[[title, *captions]], agree=agree)


def _draw_groups(groups: Sequence[Sequence[Match]]) -> Image:
    """A row a group, its first pictures."""
    from zoo.plots import draw_neighbours

    shown = [group[: 1 + COLUMNS] for group in groups]
    opened = iter(_open_all([(match.path, match.file) for group in shown for match in group]))
    rows = [[next(opened) for _ in group] for group in shown]
    captions = [[_caption(match) for match in group] for group in shown]
    return draw_neighbours([row[0] for row in rows], [row[1:] for row in rows], captions=captions)


def _caption(match: Match) -> str:
    return f"{match.label or Path(match.path).name} {match.score:.3f}"


def _open_all(named: Sequence[tuple[str, Path | None]]) -> list[Image | None]:
    """Pictures as they lie on the disk, here or beside the file of embeddings; None, and a line, where there is none.

    Raises:
        ZooError: not one of them can be read.
    """
    from PIL.Image import fromarray

    from zoo.data import read_image

    images: list[Image | None] = []
    faults: list[FileError] = []
    for path, file in named:
        beside = file.parent / path if file else Path(path)
        try:
            pixels = read_image(beside if beside.is_file() and not Path(path).is_file() else path, smallest=184)
            images.append(fromarray(pixels.permute(1, 2, 0).numpy()))
        except FileError as error:
            images.append(None)
            faults.append(error)
    if len(faults) == len(named):
        problem = f"None of the {len(named)} pictures of the sheet can be read. The first: {faults[0].problem}"
        raise ZooError(problem, "Run it in the folder where they were embedded, or leave the sheet out.")
    if faults:
        say(f"{len(faults)} of the {len(named)} pictures of the sheet are missing. The first: {faults[0].problem}")
    return images


def _save(image: Image, path: Path) -> None:
    from zoo.plots import save_png

    say(f"Drawn into {save_png(image, path)}")
