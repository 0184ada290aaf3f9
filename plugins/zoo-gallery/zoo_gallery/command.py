"""`zoo gallery`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import (
    choose_split,
    data_options,
    device_option,
    find_own_dataset,
    json_option,
    overwrite_option,
    parse_pairs,
    print_json,
    progress_bars,
    quiet_option,
    say,
    say_skipped,
    source_options,
)
from zoo.errors import UsageError
from zoo.files import check_output

if TYPE_CHECKING:
    from zoo.data import ImageSource
    from zoo.models import Filters
    from zoo.progress import Progress
    from zoo.training import Run
    from zoo_gallery.map_images import MapImages
    from zoo_gallery.plots import FilterPlots
    from zoo_gallery.writing import WrittenGallery

SEARCHED = 600  # pictures that are searched for patches
CHANNELS, STEPS = 6, 64  # of a layer's feature visualisations; `zoo show` makes more of them, and longer


@click.command()
@click.argument("name")
@click.option("--cut", help="Stop earlier than the filters were published: block2.")
@click.option("--images", metavar="FOLDER", type=click.Path(path_type=Path), help="Pictures for the map.")
@click.option(
    "--dataset", metavar="NAME", help="Or a dataset's; the filters' own by default, if it draws its pictures."
)
@data_options
@click.option("--split", metavar="SPLIT", help="train, val, test or all; the dataset's own test split by default.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the map, and of a split that is drawn.")
@click.option("--in", "table", metavar="FILE", type=click.Path(path_type=Path), help="Or what `zoo embed` wrote.")
@click.option("--limit", type=click.IntRange(1), default=5000, show_default=True, help="Pictures on the map, at most.")
@click.option(
    "--map",
    "method",
    type=click.Choice(["auto", "umap", "pca"]),
    default="auto",
    show_default=True,
    help="How the map is laid out; auto: UMAP, of fewer than 16 pictures PCA.",
)
@click.option("--run", "folder", metavar="RUN", type=click.Path(path_type=Path), help="The training, for its curves.")
@click.option("--plots", metavar="FOLDER", type=click.Path(path_type=Path), help="What `zoo show -o FOLDER` drew.")
@click.option("--quick", is_flag=True, help="Draw no missing patches and visualisations: they take a while.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder to write into; NAME-gallery by default.")
@overwrite_option
@source_options
@json_option
@device_option
@quiet_option
def gallery(
    name: str,
    cut: str | None,
    images: Path | None,
    dataset: str | None,
    root: str | None,
    settings: tuple[str, ...],
    split: str | None,
    seed: int,
    table: Path | None,
    limit: int,
    method: str,
    folder: Path | None,
    plots: Path | None,
    quick: bool,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    device: str | None,
    quiet: bool,
    **where: Any,
) -> None:
    """The filters NAME as a page: OUT/index.html opens in any browser, without a server or a network.

    Facts and metrics, feature visualisations, the training's curves and confusion matrix, and a map of pictures
    by their vectors, to zoom into, with every picture's nearest.

    Without --images, --dataset or --in the map shows the dataset that the filters learnt from, where it draws its
    pictures itself.
    """
    _check_usage(images, dataset, table, root, settings, split)
    from zoo.embedding import open_table
    from zoo.models import load
    from zoo.training import open_run
    from zoo_gallery.writing import write_gallery

    space = open_table(table).space if table else None
    filters = load(name, cut=cut or (space.cut if space else None), **where)
    run = open_run(folder) if folder else None
    out = out or Path(f"{filters.name}-gallery")
    check_output(out, overwrite=overwrite, folder=True)
    with progress_bars(quiet=quiet) as progress:
        choice = _ImageChoice(
            images=images, dataset=dataset, root=root, settings=settings, split=split, seed=seed, table=table
        )
        source = _open_source(filters, choice, progress)
        map_images = source.gather(filters, limit, device, progress)
        drawn = _gather_plots(filters, plots, run, source.some(), quick=quick, device=device, progress=progress)
        made = write_gallery(
            filters,
            out,
            map_images=map_images,
            plots=drawn,
            run=run,
            use=name,
            method=method,
            seed=seed,
            notes=source.notes,
            overwrite=overwrite,
            progress=progress,
        )
    _tell(made, map_images, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ImageChoice:
    """What the user said of the pictures."""

    images: Path | None
    dataset: str | None
    root: str | None
    settings: tuple[str, ...]
    split: str | None
    seed: int
    table: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where the map's pictures come from: a folder or a dataset, a file of embeddings, or nowhere."""

    images: ImageSource | None = None
    table: Path | None = None
    about: str = ""
    notes: tuple[str, ...] = field(default=())

    def gather(self, filters: Filters, limit: int, device: str | None, progress: Progress) -> MapImages | None:
        """The map's materials, None where there are no pictures."""
        from zoo_gallery.map_images import gather_images, gather_table

        if self.table:
            return gather_table(filters, self.table, limit=limit, progress=progress)
        if self.images is None:
            return None
        return gather_images(filters, self.images, about=self.about, limit=limit, device=device, progress=progress)

    def some(self) -> ImageSource | None:
        """Some of the same pictures, to look for patches in."""
        from zoo.data import choose_images

        return None if self.images is None else choose_images(self.images, SEARCHED)


def _check_usage(
    images: Path | None,
    dataset: str | None,
    table: Path | None,
    root: str | None,
    settings: tuple[str, ...],
    split: str | None,
) -> None:
    if sum(one is not None for one in (images, dataset, table)) > 1:
        raise UsageError("The map's pictures come from --images, --dataset or --in. Name one of them.")
    if dataset is None and (root or settings or split):
        raise UsageError("--data, --set and --split belong to a dataset: say which with --dataset NAME.")


def _open_source(filters: Filters, choice: _ImageChoice, progress: Progress) -> _Source:
    from zoo.data import DatasetImages, open_dataset, open_images

    if choice.table:
        return _Source(table=choice.table)
    if choice.images:
        return _Source(images=open_images(choice.images), about=f"the folder {choice.images.name}")
    name, options = choice.dataset, dict[str, Any](parse_pairs(choice.settings, option="--set"))
    if name is None:
        found = find_own_dataset(filters)
        if isinstance(found, str):
            return _Source(notes=(f"{found} There is no map: pass --images FOLDER for one.",))
        name, options = found
    opened = open_dataset(name, choice.root, options=options, progress=progress)
    split = choice.split or ("test" if opened.dataset.splits.get("test") else "all")
    size = filters.input.size
    indices = choose_split(opened, split, size=size, seed=choice.seed, skip_unreadable=True, progress=progress)
    about = f"{name}, all pictures" if split == "all" else f"{name}, the {split} split"
    if options:
        about += f" ({', '.join(f'{key}={value}' for key, value in options.items())})"
    return _Source(images=DatasetImages(opened.dataset, indices, name=name, root=opened.root), about=about)


def _gather_plots(
    filters: Filters,
    folder: Path | None,
    run: Run | None,
    images: ImageSource | None,
    *,
    quick: bool,
    device: str | None,
    progress: Progress,
) -> FilterPlots:
    """The filters' pictures: as published, as drawn before, and what is still missing."""
    from zoo.plots import FilterSheetOptions
    from zoo_gallery.plots import draw_plots, find_artifact_plots, read_plots

    plots = find_artifact_plots(filters)
    if folder:
        plots = read_plots(folder).over(plots)
    deep = not quick and not plots.deep
    options = FilterSheetOptions(channels=CHANNELS, steps=STEPS, device=device)
    made = draw_plots(filters, images=images, run=run, options=options, deep=deep, progress=progress)
    return made.over(plots) if run else plots.over(made)


def _tell(made: WrittenGallery, map_images: MapImages | None, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "page": str(made.page),
                "bytes": made.size,
                "pictures": made.pictures,
                "map": made.method or None,
                "skipped": list(map_images.skipped) if map_images else [],
                "notes": list(made.notes),
            }
        )
        return
    say(made.page, out=True)
    say_skipped(map_images.skipped if map_images else ())
    for note in made.notes:
        say(note)
    shown = f"{made.pictures:,} pictures by {made.method}, " if made.pictures else ""
    say(f"{shown}{made.size / 1e6:.1f} MB. Open it in a browser: it needs no server.")
