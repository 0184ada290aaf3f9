"""Filters -> PNG files: first filters, top patches, feature visualisations, maps of a picture, drift from the base."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from zoo.data import ImageReader, ImageSource
from zoo.files import output_folder
from zoo.interpret import (
    STEPS,
    Drift,
    FeatureVisualisations,
    Layer,
    LayerActivations,
    Palette,
    TopPatches,
    compute_activations,
    draw_noise,
    find_layers,
    find_top_patches,
    measure_drift,
    visualise_channels,
)
from zoo.models import Filters
from zoo.plots.channels import ChannelRow, MapRow, draw_channels, draw_maps
from zoo.plots.contact_sheet import draw_sheet
from zoo.plots.drift import DriftBar, draw_drift
from zoo.plots.grid import draw_filters
from zoo.plots.png import save_png
from zoo.progress import Progress, silent

PATCHES = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSheetOptions:
    """What is drawn, and how long it may take."""

    layers: tuple[str, ...] = ()  # blocks or nodes' paths; the last layer of every block where none are named
    channels: int = 8  # of a layer
    steps: int = STEPS  # of a feature visualisation
    max_gflop: float = math.inf  # GFLOP for the feature visualisations of one layer
    may_show_pictures: bool = True  # whether anything of the pictures may be drawn: patches, and the maps of one
    title: str | None = None  # what the filters are called in the pictures; their name by default
    largest: int | None = None  # bytes of a file
    seed: int = 0
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSheets:
    """What was drawn."""

    folder: Path
    files: tuple[str, ...]
    layers: tuple[TopPatches, ...] = ()  # the channels that were chosen, and their patches
    visualisations: tuple[FeatureVisualisations, ...] = ()
    maps: tuple[LayerActivations, ...] = ()
    drift: Drift | None = None
    pictures: int = 0  # that were searched for patches
    skipped: tuple[str, ...] = ()  # that could not be read, a line each
    notes: tuple[str, ...] = ()  # what could not be drawn, and why


@dataclass(slots=True)
class _SheetWriter:
    """Writes the files."""

    filters: Filters
    folder: Path
    options: FilterSheetOptions
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def show_filters(
    filters: Filters,
    folder: Path | str,
    *,
    options: FilterSheetOptions | None = None,
    images: ImageSource | None = None,
    picture: Tensor | None = None,
    base: Filters | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> FilterSheets:
    """Draw all that can be drawn of filters.

    filters.png           the first layer
    dreams-<layer>.png    feature visualisations of its channels
    patches-<layer>.png   the same, each beside the nine patches of pictures that activate the channel most
    activations.png       the maps of one picture, layer by layer
    drift.png             what fine-tuning changed

    Args:
        folder: to write into; made where it is missing.
        options: layers, how many channels, how long.
        images: to look with; without them there are no patches, and channels are chosen by noise.
        picture: uint8 (3, S, S), for the maps; the first of the images by default.
        base: the filters that these were made from.
        overwrite: replace files of these names in a folder that is not empty.

    Raises:
        FileError: it cannot be written there, or is not empty.
        UnknownNameError: a layer that they do not have.
        ZooError: none of the pictures can be read; the base has no layer in common.
    """
    options = options or FilterSheetOptions()
    with output_folder(Path(folder), overwrite=overwrite, argument="folder") as part:
        writer = _SheetWriter(filters=filters, folder=part, options=options)
        return replace(_draw_all(writer, images, picture, base, progress), folder=Path(folder))


def _draw_all(
    writer: _SheetWriter, images: ImageSource | None, picture: Tensor | None, base: Filters | None, progress: Progress
) -> FilterSheets:
    filters, options = writer.filters, writer.options
    layers = find_layers(filters, options.layers)
    shown = FilterSheets(folder=writer.folder, files=())
    _draw_first_filters(writer)
    reader = None if images is None else ImageReader(images, size=filters.input.size)
    looked = _choose_channels(writer, layers, reader, progress)
    if looked is not None:
        chosen, palette, count = looked
        visualisations = [_visualise_layer(writer, one, palette, progress) for one in chosen]
        shown = replace(shown, layers=tuple(chosen), visualisations=tuple(visualisations), pictures=count)
    if picture is None and reader is not None and options.may_show_pictures:
        picture = reader.first()
    if picture is not None:
        every = find_layers(filters) if options.layers else layers
        maps = compute_activations(filters, picture, every, device=options.device)
        shown = replace(shown, maps=maps)
        _save_sheet(writer, "activations.png", _draw_activations_sheet(writer, picture, maps))
    if base is not None:
        drift = measure_drift(filters, base, reader, device=options.device, progress=progress)
        shown = replace(shown, drift=drift)
        _save_sheet(writer, "drift.png", _draw_drift_sheet(writer, drift))
    skipped = tuple(reader.skipped) if reader else ()
    return replace(shown, files=tuple(writer.files), notes=tuple(writer.notes), skipped=skipped)


def _draw_first_filters(writer: _SheetWriter) -> None:
    bank = writer.filters.first_bank
    if bank is None:
        writer.notes.append(f"{writer.filters.name} has no convolution: there are no first filters to draw.")
        return
    _save_sheet(writer, "filters.png", draw_filters(bank.numpy()))


def _choose_channels(
    writer: _SheetWriter, layers: Sequence[Layer], images: ImageReader | None, progress: Progress
) -> tuple[list[TopPatches], Palette | None, int] | None:
    """Choose the channels, by pictures or by noise; tokens, which have no place, are left out and noted."""
    options = writer.options
    placed = [layer for layer in layers if layer.field is not None]
    tokens = [layer.name for layer in layers if layer.field is None]
    if tokens:
        which = tokens[0] if len(tokens) == 1 else f"{tokens[0]} to {tokens[-1]}"
        writer.notes.append(
            f"{which} of {writer.filters.name}: tokens that each see the whole picture; no patches or visualisations."
        )
    if not placed:
        return None
    size = writer.filters.input.size
    seen = find_top_patches(
        writer.filters,
        placed,
        images if images is not None else ImageReader(draw_noise(size, seed=options.seed), size=size),
        channels=options.channels,
        patches=PATCHES if images is not None and options.may_show_pictures else 0,
        device=options.device,
        progress=progress,
    )
    if images is None:
        return list(seen.layers), None, 0
    return list(seen.layers), seen.palette, seen.pictures


def _visualise_layer(
    writer: _SheetWriter, strongest: TopPatches, palette: Palette | None, progress: Progress
) -> FeatureVisualisations:
    layer, filters, options = strongest.layer, writer.filters, writer.options
    visualisations = visualise_channels(
        filters,
        layer,
        strongest.channels,
        palette=palette,
        steps=options.steps,
        max_gflop=options.max_gflop,
        seed=options.seed,
        device=options.device,
        progress=progress,
    )
    labels = [f"channel {channel}" for channel in visualisations.channels]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", layer.name)
    _save_sheet(writer, f"dreams-{name}.png", draw_sheet(list(visualisations.pictures), labels, columns=4))
    if strongest.patches.shape[1]:
        rows = [
            ChannelRow(label=label, visualisation=picture, patches=tuple(patches))
            for label, picture, patches in zip(labels, visualisations.pictures, strongest.patches, strict=True)
        ]
        side = strongest.patches.shape[2]
        sees = f"a cell sees {side} x {side} of {filters.input.size} x {filters.input.size} pixels"
        note = f"{len(rows)} of {layer.cut.channels} channels, those that vary most from picture to picture; {sees}"
        title = _sheet_title(writer, f"feature visualisations of {layer.name}")
        _save_sheet(writer, f"patches-{name}.png", draw_channels(rows, title=title, note=note))
    return visualisations


def _draw_activations_sheet(writer: _SheetWriter, picture: Tensor, maps: Sequence[LayerActivations]) -> Image.Image:
    rows = []
    for one in maps:
        height, width = one.mean.shape
        captions = ("mean of all", *(f"channel {channel}" for channel in one.channels))
        note = f"{one.layer.cut.channels} channels, {height} x {width}"
        rows.append(MapRow(label=one.layer.name, note=note, maps=(one.mean, *one.strongest), captions=captions))
    title = _sheet_title(writer, "one picture through the layers")
    note = "the mean over the channels, and the four channels that answer most; dark: least, pale: most"
    return draw_maps(picture.permute(1, 2, 0).numpy(), rows, title=title, note=note)


def _draw_drift_sheet(writer: _SheetWriter, drift: Drift) -> Image.Image:
    known = f"linear CKA on {drift.pictures:,} pictures, 1: unchanged" if drift.pictures else "no pictures, so no CKA"
    missing = f"; {drift.missing} layers are not in both" if drift.missing else ""
    frozen = sum(layer.frozen for layer in drift.layers)
    return draw_drift(
        [DriftBar(name=layer.name, change=layer.change, cka=layer.cka, frozen=layer.frozen) for layer in drift.layers],
        drift.before,
        drift.after,
        captions=[
            f"filter {number}: {100 * distance:.2g}%"
            for number, distance in zip(drift.moved, drift.distances, strict=True)
        ],
        title=_sheet_title(writer, f"drift from {drift.base}"),
        note=f"what fine-tuning changed, {frozen} of {len(drift.layers)} layers frozen; {known}{missing}",
        first=drift.first or "the first layer",
    )


def _save_sheet(writer: _SheetWriter, name: str, image: Image.Image) -> None:
    writer.files.append(save_png(image, writer.folder / name, largest=writer.options.largest).name)


def _sheet_title(writer: _SheetWriter, said: str) -> str:
    name = writer.filters.name if writer.options.title is None else writer.options.title
    return f"{name}: {said}" if name else said[0].upper() + said[1:]
