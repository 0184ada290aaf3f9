"""`zoo show`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import (
    PATH,
    data_options,
    fields_of,
    output_options,
    overwrite_option,
    parse_pairs,
    pop_source,
    print_json,
    progress_bars,
    say,
    say_skipped,
    source_options,
)
from zoo.cli.flags import in_flags
from zoo.errors import UsageError, ZooError

if TYPE_CHECKING:
    from zoo.data import ImageSource
    from zoo.models import Filters
    from zoo.plots import FilterSheets
    from zoo.progress import Progress
    from zoo.training import Run


@click.command()
@click.argument("name")
@click.option("--cut", help="Use only the layers up to this block, such as block2; all by default.")
@click.option("--images", metavar="FOLDER", type=PATH, help="Pictures for patches and maps.")
@click.option("--dataset", metavar="NAME", help="Or a dataset's; by default the one trained on, if it draws its own.")
@data_options
@click.option("--limit", type=click.IntRange(0), default=2000, help="Pictures, at most; 0: all.")
@click.option("--picture", metavar="FILE", type=PATH, help="The picture of the activation maps.")
@click.option("--base", metavar="NAME", help="Filters to measure drift from; by default those started from, if here.")
@click.option("--layer", "layers", multiple=True, metavar="LAYER", help="Such as block2. Repeatable; all by default.")
@click.option("--channels", type=click.IntRange(1, 64), default=8, help="Channels of each layer.")
@click.option("--steps", type=click.IntRange(1), default=96, help="Gradient steps of each picture in dreams-*.png.")
@click.option("-o", "--out", type=PATH, help="The folder; NAME-pictures by default.")
@click.option("--seed", type=int, default=0, help="The seed of the feature visualisations.")
@overwrite_option
@source_options
@output_options
def show(
    name: str,
    cut: str | None,
    images: Path | None,
    dataset: str | None,
    root: str | None,
    settings: tuple[str, ...],
    limit: int,
    picture: Path | None,
    base: str | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw the filters NAME, or those of a run's folder, into PNG files: what activates them, what training changed.

    \b
    filters.png            the first layer
    dreams-block3.png      feature visualisations: a computed picture that activates each channel most
    patches-block3.png     the same, beside the parts of real pictures that activate the channel most
    activations.png        one picture's activation maps, layer by layer
    drift.png              what fine-tuning changed: weights, and CKA, how alike a layer's features stayed (0 to 1)

    If there are no pictures (--images or --dataset), what needs them is left out.

    \b
    zoo show vgg16-plankton --layer block2 --images photos/
    """
    if images and dataset:
        raise UsageError("Pictures come from --images or from --dataset, not from both. Leave one out.")
    if dataset is None and (root or settings):
        raise UsageError("--data and --set belong to a dataset. Name it with --dataset NAME.")
    from zoo.data import read_image, resize
    from zoo.plots import FilterSheetOptions, show_filters

    where = pop_source(options)
    run, filters = _open(name, cut, where)
    title, side = run.folder.name if run else None, filters.input.size
    with progress_bars(quiet=quiet) as progress:
        source, notes = _open_images(filters, run, images, dataset, root, settings, limit=limit, progress=progress)
        before, more = _open_base(filters, run, base, where)
        shown = show_filters(
            filters,
            out or Path(f"{title or filters.name}-pictures"),
            options=FilterSheetOptions(title=title, **options),
            images=source,
            picture=resize(read_image(picture, smallest=side), side) if picture else None,
            base=before,
            overwrite=overwrite,
            progress=progress,
        )
    _print(shown, [*notes, *more, *shown.notes], as_json=as_json)


def _print(shown: FilterSheets, notes: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(shown, notes))
        return
    for file in shown.files:
        say(shown.folder / file, out=True)
    say_skipped(shown.skipped)
    for note in notes:
        say(note)


def _open(name: str, cut: str | None, where: dict[str, Any]) -> tuple[Run | None, Filters]:
    """Filters, and the run where they are of one."""
    from zoo.models import load
    from zoo.training import open_run

    filters = load(name, cut=cut, **where)
    published = filters.published
    return open_run(published.source.text) if published and published.is_run else None, filters


def _open_images(
    filters: Filters,
    run: Run | None,
    images: Path | None,
    dataset: str | None,
    root: str | None,
    settings: tuple[str, ...],
    *,
    limit: int,
    progress: Progress,
) -> tuple[ImageSource | None, list[str]]:
    """The pictures to show, or None and a line that says what to pass."""
    from zoo.cli.datasets import find_own_dataset
    from zoo.data import DatasetImages, choose_images, open_images

    if images:
        return choose_images(open_images(images), limit), []
    options: dict[str, Any] = dict(parse_pairs(settings, option="--set"))
    if dataset is None and run is not None:
        from zoo.publish import validation_pictures

        said: list[str] = []
        return validation_pictures(run, filters, said, limit=limit, progress=progress), said
    if dataset is None:
        found = find_own_dataset(filters)
        if isinstance(found, str):
            return None, [f"{found} Pass --images FOLDER for patches and activation maps."]
        dataset, options = found
    from zoo.data import open_dataset

    opened = open_dataset(dataset, root, options=options, progress=progress).dataset
    split = next((opened.splits[name] for name in ("test", "val") if opened.splits.get(name)), range(len(opened)))
    return choose_images(DatasetImages(opened, split, name=dataset), limit), []


def _open_base(
    filters: Filters, run: Run | None, base: str | None, where: dict[str, Any]
) -> tuple[Filters | None, list[str]]:
    """The filters that these were made from: as named, else as their lineage says, where they are on this disk."""
    from zoo.models import load

    if base:
        return load(base, **{**where, "revision": None}), []
    if run is not None:
        from zoo.publish import load_base

        said: list[str] = []
        return load_base(run, said), said
    manifest = filters.manifest
    lineage = manifest.lineage if manifest else None
    if lineage is None or not lineage.base or not lineage.base_manifest:  # the base is no filters of zoo's
        return None, []
    try:
        found = load(lineage.base, **{**where, "revision": None, "offline": True})
    except ZooError:
        base = shlex.quote(lineage.base)
        return None, [f"The base {lineage.base} is not on this disk: no drift. Pass --base {base}."]
    if lineage.base_manifest and found.published and found.published.digest != lineage.base_manifest:
        return None, [f"What {lineage.base} is here is not the base of {filters.name}: no drift. Pass --base NAME."]
    return found, []


def _facts(shown: FilterSheets, notes: list[str]) -> dict[str, Any]:
    visualisations = {one.layer.name: one for one in shown.visualisations}
    drift = shown.drift
    return {
        "folder": str(shown.folder),
        "files": list(shown.files),
        "pictures": shown.pictures,
        "layers": [
            {
                "layer": one.layer.name,
                "node": one.layer.cut.node,
                "sees": one.layer.field.size if one.layer.field else None,
                "channels": list(one.channels),
                "strongest": [[round(float(answer), 4) for answer in row] for row in one.answers],
                "dreamt": [round(float(answer), 4) for answer in visualisations[one.layer.name].answers],
            }
            for one in shown.layers
        ],
        "drift": None
        if drift is None
        else {
            **fields_of(drift, "base", "pictures"),
            "layers": [{"layer": one.name, **fields_of(one, "change", "cka", "frozen")} for one in drift.layers],
            "first": drift.first,
            "moved": list(drift.moved),
            "distances": list(drift.distances),
        },
        "notes": [in_flags(note) for note in notes],
    }
